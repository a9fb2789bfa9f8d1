// SPDX-License-Identifier: GPL-2.0

//! Loads BPF programs through bpf(2) under the modes of `bpf_patcher` and compares what the kernel reports about
//! them.
//!
//! Runs as `/init` of an initramfs (its arguments stand behind `--` on the kernel's command line)
//! or as an ordinary root program on a developer's own kernel.

mod bpf;
mod checks;
mod compare;
#[cfg(test)]
mod floors;
mod interpreter;
mod kernel;
mod out;
mod programs;

use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;

use checks::runner::Verdict;
use checks::{
    defects, dump, faults, guards, identical, kills, measure, resched, run, soak, switch, tries,
};
use clap::{Parser, Subcommand};
use kernel::init;

#[derive(Parser)]
#[command(about = "Load BPF programs in the modes of bpf_patcher and compare the results")]
// So that a script can change one of many arguments: the last one counts.
#[command(args_override_self = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Loads programs in several modes: these give the same
    Identical(identical::IdenticalArgs),
    /// Loads random programs and runs them: they do what they should as they were written
    Run(run::RunArgs),
    /// Measures loads of families of N edits, each against a twin that needs no rewriting, and of real programs
    Measure(measure::MeasureArgs),
    /// Loads programs that an unpatched kernel gets wrong, in every mode
    Defects(defects::DefectArgs),
    /// Loads programs as an ordinary user: what guards against speculation is in place
    Guards(guards::GuardArgs),
    /// Lets each allocation of a load fail once, in all modes
    Faults(faults::FaultArgs),
    /// Kills loads at random moments, while the mode changes
    Kills(kills::KillArgs),
    /// Loads what `kills` is to kill
    #[command(hide = true)]
    Victim(kills::VictimArgs),
    /// Loads the same programs over and over: memory stays flat. Or until something ends it; or in memory cgroups
    Soak(soak::SoakArgs),
    /// Loads long programs: the kernel reschedules as often as for their twins without rewriting
    Resched(resched::ReschedArgs),
    /// Switches static branches, of a kernel with their series, while all CPUs run them, and measures their cost
    Switch(switch::SwitchArgs),
    /// Loads programs of your own: does the patcher help them?
    Try(tries::TryArgs),
    /// What the kernel reports for real programs, for comparing two kernels
    Dump(dump::DumpArgs),
}

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
    let code = catch_unwind(AssertUnwindSafe(start)).unwrap_or(FAILED);
    out::exit(code);
    if as_init {
        init::power_off();
    }
    ExitCode::from(code)
}

fn start() -> u8 {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(err) => {
            out::progress(&err.to_string());
            return if err.use_stderr() { USAGE } else { OK };
        }
    };
    let (name, verdict) = check(&args.command);
    let (code, said) = match verdict {
        Ok(Verdict { good: true, said }) => (OK, said),
        Ok(Verdict { said, .. }) => (FAILED, said),
        Err(err) => (USAGE, format!("error: {err}")),
    };
    if code == USAGE {
        out::progress(&said);
    }
    out::verdict(code == OK, name, &said);
    code
}

/// Runs a check. Returns its name, too.
fn check(command: &Command) -> (&'static str, io::Result<Verdict>) {
    match command {
        Command::Identical(args) => ("identical", identical::run(args)),
        Command::Run(args) => ("run", run::run(args)),
        Command::Measure(args) => ("measure", measure::run(args)),
        Command::Defects(args) => ("defects", defects::run(args)),
        Command::Guards(args) => ("guards", guards::run(args)),
        Command::Faults(args) => ("faults", faults::run(args)),
        Command::Kills(args) => ("kills", kills::run(args)),
        Command::Victim(args) => ("victim", kills::victim(args)),
        Command::Soak(args) => ("soak", soak::run(args)),
        Command::Resched(args) => ("resched", resched::run(args)),
        Command::Switch(args) => ("switch", switch::run(args)),
        Command::Try(args) => ("try", tries::run(args)),
        Command::Dump(args) => ("dump", dump::run(args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Command {
        let args = Args::try_parse_from(line.split(' '));
        args.unwrap_or_else(|err| panic!("{err}")).command
    }

    /// `selftests/vm/suites/static_branch.sh` leaves all parts out, and asks for one again.
    #[test]
    fn the_last_of_an_argument_counts() {
        assert!(matches!(
            args("loader switch --switches 0 --plant --switches 7"),
            Command::Switch(_)
        ));
    }

    #[test]
    fn arguments_are_as_clap_likes_them() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
