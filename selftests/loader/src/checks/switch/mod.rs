// SPDX-License-Identifier: GPL-2.0

//! Static branches, of a kernel with the series that brings them: a program in C has sets of them, they are
//! switched while all CPUs run them and while programs come and go, and what a disabled one costs is measured.

mod cost;
mod example;
mod lifetime;
mod refused;
mod switching;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::runner::Verdict;
use crate::kernel::jit;

#[derive(Args)]
pub struct SwitchArgs {
    /// Directory with BPF objects, for the one in C [default: leave it out]
    #[arg(long)]
    progs: Option<PathBuf>,
    /// Switches while all CPUs run the program
    #[arg(long, default_value_t = 100_000)]
    switches: u64,
    /// Seconds in which programs come and go while they are switched
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Runs of each program to measure
    #[arg(long, default_value_t = 1_000_000)]
    repeat: u32,
    /// Fail if a trace point that is off costs more with a static branch, in instructions; the machine has
    /// to count them [default: only measure]
    #[arg(long)]
    at_most: Option<f64>,
    /// Leave out switches on purpose: each part that switches must then fail
    #[arg(long)]
    plant: bool,
}

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// A program does not load, or the kernel has no static branches.
pub fn run(args: &SwitchArgs) -> io::Result<Verdict> {
    let mut good = refused::without_jit()?;
    let Some(_jit) = jit::on()? else {
        let said = "this kernel has no JIT, so there is nothing to switch";
        return Ok(Verdict::new(good, said));
    };
    if let Some(progs) = &args.progs {
        good &= example::run(progs)?;
    }
    let (mut lives, mut switches) = (0, 0);
    if args.seconds > 0 {
        let right;
        (right, lives) = lifetime::run(Duration::from_secs(args.seconds), args.plant)?;
        good &= right;
    }
    if args.switches > 0 {
        let right;
        (right, switches) = switching::run(args.switches, args.plant)?;
        good &= right;
    }
    if args.repeat > 0 {
        good &= cost::run(args.repeat, args.at_most)?;
    }
    Ok(Verdict::new(
        good,
        format!("{lives} lives, {switches} switches"),
    ))
}
