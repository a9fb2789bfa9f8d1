// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::kernel::mode::Mode;
use crate::suites::trust::TrustArgs;

#[derive(Parser)]
#[command(about = "Load BPF programs under both modes of bpf_patcher and compare the results")]
// So that a script can change one of many arguments: the last one counts.
#[command(args_override_self = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Socket filters of N context loads, each against a twin that needs no rewriting
    Ladder(LadderArgs),
    /// Families of N edits of one kind, each against a twin that needs no rewriting
    Families(FamilyArgs),
    /// Real networking programs from BPF objects
    Programs(ProgramArgs),
    /// Short form of both plus one small program for every rewriting pass; fails on a difference
    Identity(IdentityArgs),
    /// What the kernel reports for every program, for comparing two kernels
    Dump(DumpArgs),
    /// Programs that an unpatched kernel gets wrong, in every mode
    Defects(DefectArgs),
    /// What must not take long, being killed in the middle of it, and what is said when a jump is too far
    Limits,
    /// Loads what `limits` is to kill
    #[command(hide = true)]
    Victim(VictimArgs),
    /// The same programs over and over until a file appears; fails if a load does, or gives something else
    Reload(ReloadArgs),
    /// Random programs that use everything that is rewritten; fails on a difference
    Random(RandomArgs),
    /// Programs of long jumps, which are run; fails if one returns something else than it should
    FarJumps(FarJumpArgs),
    /// Programs that combine all that is rewritten, which are run; fails if one does something else than it should
    Combined(CombinedArgs),
    /// What happens when something goes wrong: allocations that fail, loads that are killed
    Trust(TrustArgs),
    /// Static branches, of a kernel with their series: switched while all CPUs run them, and what they cost
    StaticBranch(StaticBranchArgs),
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
pub struct FamilyArgs {
    /// Only these, by name
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Numbers of edits [default: by family]
    #[arg(long, value_delimiter = ',')]
    pub n: Vec<usize>,
    /// Largest number that is loaded in mode stock too [default: by family, 5000 or 1000]
    #[arg(long)]
    pub stock_max: Option<usize>,
    /// Leave out larger numbers of a family's own
    #[arg(long, default_value_t = 195_000)]
    pub max: usize,
    /// Loads a row, mode and variant [default: 3, above 45 000 one]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Expect a wrong decision of a policy on purpose: the command must then fail
    #[arg(long)]
    pub plant: bool,
    /// Say which families there are
    #[arg(long)]
    pub list: bool,
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
    /// Load in mode `verify` in place of `patcher`: the kernel compares too
    #[arg(long)]
    pub verify: bool,
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

#[derive(clap::Args)]
pub struct DefectArgs {
    /// What has to come of them
    #[arg(long)]
    pub expect: Expect,
    /// Only these, by name
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Expect {
    /// An unpatched kernel: each shows. The one that may take it down is left out
    Shows,
    /// A patched kernel: each is right in every mode
    Right,
    /// Either
    Any,
}

#[derive(clap::Args)]
pub struct VictimArgs {
    #[arg(long)]
    pub program: Victim,
    /// Microseconds from the start of the load until the process is killed
    #[arg(long)]
    pub after_us: u64,
    /// Directory of the cgroup to load it in
    #[arg(long)]
    pub group: Option<PathBuf>,
}

/// What a process that is killed loads.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Victim {
    /// Insns that are removed one by one
    Nops,
    /// Insns that become ten each
    Divisions,
    /// As many loads of the context as a program may have
    Loads,
    /// Jumps that do not fit once what is between has grown
    Far,
    /// A firewall, blinded: needs a JIT
    Policy,
}

impl Victim {
    /// Its name as an argument.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("none is skipped");
        value.get_name().to_owned()
    }
}

#[derive(clap::Args)]
pub struct ReloadArgs {
    /// The file that ends it
    #[arg(long)]
    pub until: PathBuf,
}

#[derive(clap::Args)]
pub struct RandomArgs {
    /// Number of programs
    #[arg(long, default_value_t = 1_000)]
    pub count: u64,
    /// Where the programs come from: the same seed gives the same programs [default: the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of the first of them
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Programs between two lines of progress
    #[arg(long, default_value_t = 1_000)]
    pub every: u64,
    /// Load this program of the seed alone, and print it
    #[arg(long)]
    pub only: Option<u64>,
    /// Load in mode `verify`, in which the kernel compares, instead of in both modes
    #[arg(long)]
    pub verify: bool,
    /// Ask why programs were refused, and count the answers
    #[arg(long)]
    pub reasons: bool,
}

#[derive(clap::Args)]
pub struct FarJumpArgs {
    /// Number of programs
    #[arg(long, default_value_t = 1_000)]
    pub count: u64,
    /// End after so many seconds
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Where the programs come from: the same seed gives the same programs [default: the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of the first of them
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Programs between two lines of progress
    #[arg(long, default_value_t = 1_000)]
    pub every: u64,
    /// Load this program of the seed alone, and print it
    #[arg(long)]
    pub only: Option<u64>,
    /// Inputs that each program is run on
    #[arg(long, default_value_t = 8)]
    pub runs: usize,
    /// Modes to load in. For others than patcher, programs have few edits
    #[arg(long, value_delimiter = ',', default_value = "patcher")]
    pub modes: Vec<ModeName>,
    /// What has to come of programs with a jump that is too far, in other modes than stock
    #[arg(long, default_value = "any")]
    pub far: FarExpect,
    /// 1: compile, 0: do not [default: compile if this kernel can]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub jit: Option<u8>,
    /// net.core.bpf_jit_harden: 2 blinds constants
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub harden: u8,
    /// Make a mistake on purpose: the command must then fail
    #[arg(long)]
    pub plant: Option<FarPlant>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    Stock,
    Patcher,
    Verify,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Stock => Mode::Stock,
            ModeName::Patcher => Mode::Patcher,
            ModeName::Verify => Mode::Verify,
        }
    }
}

/// What has to come of programs with a jump that is too far.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FarExpect {
    Any,
    /// As in a kernel that has no far jumps
    Refused,
    Loaded,
}

/// A mistake of `far-jumps`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FarPlant {
    /// The interpreter takes jset for its opposite
    Interpreter,
    /// What is loaded has a jump that leads one insn further
    Program,
}

#[derive(clap::Args)]
pub struct CombinedArgs {
    /// Number of programs
    #[arg(long, default_value_t = 1_000)]
    pub count: u64,
    /// Where the programs come from: the same seed gives the same programs [default: the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of the first of them
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// One program of so many is longer than 16 bits reach, which takes some seconds in an emulated machine
    #[arg(long, default_value_t = 50)]
    pub long: usize,
    /// Programs between two lines of progress
    #[arg(long, default_value_t = 1_000)]
    pub every: u64,
    /// Load this program of the seed alone, and print it
    #[arg(long)]
    pub only: Option<u64>,
    /// Inputs that each program is run on
    #[arg(long, default_value_t = 4)]
    pub runs: usize,
    /// Modes to load in
    #[arg(long, value_delimiter = ',', default_value = "patcher,verify")]
    pub modes: Vec<ModeName>,
    /// Have the interpreter take jset for its opposite: the command must then fail
    #[arg(long)]
    pub plant: bool,
}

#[derive(clap::Args)]
pub struct StaticBranchArgs {
    /// Directory with BPF objects, for the one in C [default: leave it out]
    #[arg(long)]
    pub progs: Option<PathBuf>,
    /// Switches while all CPUs run the program
    #[arg(long, default_value_t = 100_000)]
    pub switches: u64,
    /// Random programs
    #[arg(long, default_value_t = 500)]
    pub programs: u64,
    /// Where random programs come from: the same seed gives the same programs [default: the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of the first of them
    #[arg(long, default_value_t = 0)]
    pub first: u64,
    /// Load this random program of the seed alone, and print it
    #[arg(long)]
    pub only: Option<u64>,
    /// Seconds in which programs come and go while they are switched
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Runs of each program to measure
    #[arg(long, default_value_t = 1_000_000)]
    pub repeat: u32,
    /// Fail if a trace point that is off costs more with a static branch, in instructions; the machine has
    /// to count them [default: only measure]
    #[arg(long)]
    pub at_most: Option<f64>,
    /// Leave out switches on purpose: each part that switches must then fail
    #[arg(long)]
    pub plant: bool,
}

/// What a planted difference changes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    Xlated,
    LineInfo,
    FuncInfo,
    Edits,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `selftests/vm/suites/static_branch.sh` leaves all parts out, and asks for one again.
    #[test]
    fn the_last_of_an_argument_counts() {
        let line = "loader static-branch --switches 0 --plant --switches 7";
        let args = Args::try_parse_from(line.split(' ')).unwrap_or_else(|err| panic!("{err}"));
        let Command::StaticBranch(args) = args.command else {
            panic!("another command");
        };
        assert_eq!((args.switches, args.plant), (7, true));
    }
}
