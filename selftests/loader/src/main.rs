// SPDX-License-Identifier: GPL-2.0

//! Loads BPF programs through bpf(2) under both modes of `bpf_patcher` and compares what the
//! kernel reports about them.
//!
//! Runs as `/init` of an initramfs (its arguments stand behind `--` on the kernel's command line)
//! or as an ordinary root program on a developer's own kernel.

mod args;
mod bpf;
mod compare;
mod generator;
mod interpreter;
mod kernel;
mod out;
mod suites;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use kernel::init;
use suites::{
    combined, defects, dump, families, far_jumps, identity, ladder, limits, programs, random,
    reload, static_branch, trust,
};

/// Everything was as expected.
const OK: u8 = 0;
/// A difference, a program that loads under one mode only, or missing rewriting.
const FAILED: u8 = 1;
/// The arguments make no sense, or the kernel lacks what the command needs.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let as_init = init::is_init();
    if as_init {
        init::mount_all();
        out::begin();
    }
    // As PID 1 a panic would take the kernel down before the exit line is out.
    let code = catch_unwind(AssertUnwindSafe(run)).unwrap_or(FAILED);
    out::exit(code);
    if as_init {
        init::power_off();
    }
    ExitCode::from(code)
}

fn run() -> u8 {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(err) => {
            out::progress(&err.to_string());
            return if err.use_stderr() { USAGE } else { OK };
        }
    };
    let result = match args.command {
        Command::Ladder(args) => ladder::run(&args),
        Command::Families(args) => families::run(&args),
        Command::Programs(args) => programs::run(&args),
        Command::Identity(args) => identity::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Defects(args) => defects::run(&args),
        Command::Limits => limits::run(),
        Command::Victim(args) => limits::victim(&args),
        Command::Random(args) => random::run(&args),
        Command::FarJumps(args) => far_jumps::run(&args),
        Command::Combined(args) => combined::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::StaticBranch(args) => static_branch::run(&args),
    };
    match result {
        Ok(true) => OK,
        Ok(false) => FAILED,
        Err(err) => {
            out::progress(&format!("error: {err}"));
            USAGE
        }
    }
}
