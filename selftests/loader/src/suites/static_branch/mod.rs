// SPDX-License-Identifier: GPL-2.0

//! Static branches, of a kernel with the series that brings them: a program in C has sets of them, random
//! programs have them, they are switched while all CPUs run them and while programs come and go, and what a
//! disabled one costs is measured.

mod cost;
mod example;
mod lifetime;
mod random;
mod refused;
mod switching;

use std::io;
use std::time::Duration;

use serde_json::json;

use crate::args::StaticBranchArgs;
use crate::kernel::jit;
use crate::out;

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// A program does not load, or the kernel has no static branches.
pub fn run(args: &StaticBranchArgs) -> io::Result<bool> {
    let mut good = refused::without_jit()?;
    let Some(_jit) = jit::on()? else {
        out::progress("this kernel has no JIT, so there is nothing to switch");
        return Ok(good);
    };
    if let Some(progs) = &args.progs {
        good &= example::run(progs)?;
    }
    if args.programs > 0 {
        good &= random::run(args)?;
    }
    if args.seconds > 0 {
        good &= lifetime::run(Duration::from_secs(args.seconds), args.plant)?;
    }
    if args.switches > 0 {
        good &= switching::run(args.switches, args.plant)?;
    }
    if args.repeat > 0 {
        good &= cost::run(args.repeat, args.at_most)?;
    }
    out::json(&json!({ "summary": { "command": "static-branch", "good": good } }));
    Ok(good)
}
