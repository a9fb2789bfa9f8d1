// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Load BPF programs under both modes of bpf_patcher and compare the results")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Socket filters of N context loads, each against a twin that needs no rewriting
    Ladder(LadderArgs),
    /// Real networking programs from BPF objects
    Programs(ProgramArgs),
    /// Short form of both plus one small program for every rewriting pass; fails on a difference
    Identity(IdentityArgs),
    /// What the kernel reports for every program, for comparing two kernels
    Dump(DumpArgs),
}

#[derive(clap::Args)]
pub struct LadderArgs {
    /// Numbers of context loads to measure in both modes
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,15000")]
    pub both_n: Vec<usize>,
    /// Numbers of context loads to measure in patcher mode only
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "45000,95000,195000,999000"
    )]
    pub patched_n: Vec<usize>,
    /// Measure stock at 45 000 and 95 000 too (takes minutes)
    #[arg(long)]
    pub full: bool,
    /// Loads a row, mode and variant [default: by size, 7 down to 2]
    #[arg(long)]
    pub rounds: Option<usize>,
}

#[derive(clap::Args)]
pub struct ProgramArgs {
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    pub progs: PathBuf,
    /// Loads a program and mode
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

#[derive(clap::Args)]
pub struct IdentityArgs {
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    pub progs: PathBuf,
    /// Spoil one reported result on purpose: the command must then fail
    #[arg(long)]
    pub plant: Option<Plant>,
}

#[derive(clap::Args)]
pub struct DumpArgs {
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    pub progs: PathBuf,
}

/// What a planted difference changes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    Xlated,
    LineInfo,
    FuncInfo,
    Edits,
}
