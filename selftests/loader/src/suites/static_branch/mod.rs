// SPDX-License-Identifier: GPL-2.0

//! Static branches, of a kernel with the series that brings them: a program in C has sets of them, they
//! are switched while all CPUs run them, and what a disabled one costs is measured.

mod cost;
mod example;
mod switching;

use std::io;

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
    let _jit = jit::on()?.ok_or_else(|| io::Error::other("this kernel has no JIT"))?;
    let mut good = true;
    if let Some(progs) = &args.progs {
        good &= example::run(progs)?;
    }
    if args.switches > 0 {
        good &= switching::run(args.switches, args.plant)?;
    }
    if args.repeat > 0 {
        good &= cost::run(args.repeat)?;
    }
    out::json(&json!({ "summary": { "command": "static-branch", "good": good } }));
    Ok(good)
}
