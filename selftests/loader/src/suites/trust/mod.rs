// SPDX-License-Identifier: GPL-2.0

//! What happens when something goes wrong: no load may leave anything behind, or change what the next
//! one gives.

mod faults;
mod groups;
mod kills;
mod leaks;
mod programs;

use std::io;

use clap::{Args, Subcommand};

#[derive(Args)]
pub struct TrustArgs {
    #[command(subcommand)]
    command: Trust,
}

#[derive(Subcommand)]
enum Trust {
    /// Lets each allocation of a load fail once, in all modes
    Faults(faults::FaultArgs),
    /// Kills loads at random moments, while the mode changes
    Kills(kills::KillArgs),
    /// Loads programs in a memory cgroup that they do not fit
    Groups,
}

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// What the kernel says, and what it lacks.
pub fn run(args: &TrustArgs) -> io::Result<bool> {
    match &args.command {
        Trust::Faults(args) => faults::run(args),
        Trust::Kills(args) => kills::run(args),
        Trust::Groups => groups::run(),
    }
}
