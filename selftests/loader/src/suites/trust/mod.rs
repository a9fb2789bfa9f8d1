// SPDX-License-Identifier: GPL-2.0

//! What happens when something goes wrong: no load may leave anything behind, or change what the next
//! one gives.

mod edges;
mod faults;
mod groups;
mod kills;
mod leaks;
mod programs;
mod resched;
mod soak;
mod unprivileged;

use std::io;
use std::time::Duration;

use clap::{Args, Subcommand};

/// A time as results have it.
fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

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
    /// Loads programs in a memory cgroup that they do not fit, while a bystander goes on
    Groups(groups::GroupArgs),
    /// The bystander
    #[command(hide = true)]
    Bystander(groups::BystanderArgs),
    /// Loads programs at the edge of what the kernel takes: all modes say the same
    Edges,
    /// Loads programs as an ordinary user: what guards against speculation is in place
    Unprivileged(unprivileged::UnprivilegedArgs),
    /// Loads long programs: the kernel reschedules as often as for their twins without rewriting
    Resched(resched::ReschedArgs),
    /// Loads the same programs over and over: memory stays flat
    Soak(soak::SoakArgs),
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
        Trust::Groups(args) => groups::run(args),
        Trust::Bystander(args) => groups::bystander(args),
        Trust::Edges => edges::run(),
        Trust::Unprivileged(args) => unprivileged::run(args),
        Trust::Resched(args) => resched::run(args),
        Trust::Soak(args) => soak::run(args),
    }
}
