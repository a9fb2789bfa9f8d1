// SPDX-License-Identifier: GPL-2.0

//! Random programs, which are loaded and run. What comes of that is compared with what an interpreter of our own
//! makes of the program as it was written: nothing of the kernel takes part in that.
//!
//! A jump that does not fit once the program is rewritten is refused, unless the patcher makes a far jump of it.

mod branches;
mod combined;
mod coverage;
mod far;
mod structure;
mod tally;

use std::io;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::{json, Value};

use super::runner::{Draw, ModeName, Runner, Verdict};
use crate::bpf::insn::{Cond, Width};
use crate::bpf::{disasm, Spec};
use crate::interpreter::{holds, Decide};
use crate::kernel::jit;
use crate::kernel::mode::Mode;
use crate::kernel::sysctl::Setting;
use crate::out;
use crate::programs::generator::far::Rewriting;
use tally::{Fate, Tally};

#[derive(Args)]
pub struct RunArgs {
    /// Which programs
    #[arg(long)]
    only: KindName,
    #[command(flatten)]
    draw: Draw,
    /// Inputs that each program is run on [default: 8; of combined 4, of branches 2 after each switch]
    #[arg(long)]
    runs: Option<usize>,
    /// Modes to load in [default: patcher; of combined patcher,verify, of branches all]. For others than patcher,
    /// far-jumps have few edits
    #[arg(long, value_delimiter = ',')]
    modes: Vec<ModeName>,
    /// What has to come of programs with a jump that is too far, in other modes than stock
    #[arg(long, default_value = "any")]
    far: FarExpect,
    /// 1: compile, 0: do not [default: compile if this kernel can]. Of far-jumps alone
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    jit: Option<u8>,
    /// net.core.bpf_jit_harden: 2 blinds constants. Of far-jumps alone
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    harden: u8,
    /// Of combined, one program of so many is longer than 16 bits reach, which takes some seconds in an emulated machine
    #[arg(long, default_value_t = 50)]
    long: usize,
    /// Make a mistake on purpose: the command must then fail
    #[arg(long)]
    plant: Option<Plant>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Long jumps
    FarJumps,
    /// All that is rewritten: needs a JIT
    Combined,
    /// Static branches in sets, which are switched: needs a JIT, and the series of static branches
    Branches,
}

/// What has to come of programs with a jump that is too far.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FarExpect {
    Any,
    /// As in a kernel that has no far jumps
    Refused,
    Loaded,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Plant {
    /// The interpreter takes jset for its opposite
    Interpreter,
    /// What is loaded has a jump that leads one insn further. Of far-jumps alone
    Program,
    /// No branch is switched. Of branches alone
    Switches,
}

/// What is known about a program of any kind.
struct About<'a> {
    spec: &'a Spec,
    /// Jumps that are too far once it is rewritten, as far as that is known.
    too_far: usize,
    /// What else is to be printed of it.
    more: String,
}

/// Programs of a kind.
trait Kind {
    type Case;

    /// Program `number`, with what its runs have to come to.
    fn draw(&mut self, number: u64) -> io::Result<Self::Case>;

    fn about<'a>(&self, case: &'a Self::Case) -> About<'a>;

    /// Loads a program in the mode, which is set, runs it, and counts the runs. Returns what the verifier says, too.
    fn load(
        &mut self,
        case: &mut Self::Case,
        mode: Mode,
        runs: &mut u64,
    ) -> io::Result<(Fate, String)>;

    /// Is that what has to come of a program?
    fn is_expected(&self, case: &Self::Case, mode: Mode, fate: &Fate) -> bool;

    /// What programs consisted of, and did.
    fn coverage(&self) -> Value;

    /// What has to have been there, and was not.
    fn missing(&self) -> Vec<String>;
}

/// A wrong interpreter: that no bit is set in both is what it jumps on.
fn wrong(cond: Cond, width: Width, left: u64, right: u64) -> bool {
    holds(cond, width, left, right) != (cond == Cond::Set)
}

/// What all kinds of programs need to know.
struct Setup {
    seed: u64,
    modes: Vec<Mode>,
    how: Rewriting,
    runs: usize,
    long: usize,
    decide: Decide,
    plant: Option<Plant>,
    far: FarExpect,
    prints: bool,
    /// Put back when it ends.
    _settings: Vec<Setting>,
}

impl Setup {
    fn new(args: &RunArgs, runner: &Runner) -> io::Result<Self> {
        let mut settings = Vec::new();
        let jit = match args.jit {
            Some(0) => {
                settings.extend(jit::off()?);
                false
            }
            _ => {
                let setting = jit::on()?;
                let has_jit = setting.is_some();
                settings.extend(setting);
                has_jit
            }
        };
        let is_far = args.only == KindName::FarJumps;
        if (args.jit == Some(1) || !is_far) && !jit {
            return Err(io::Error::other("this kernel has no JIT"));
        }
        if args.harden == 2 && !jit {
            return Err(io::Error::other("nothing is blinded without the JIT"));
        }
        if jit && is_far {
            let level = args.harden.to_string();
            settings.push(Setting::set("net/core/bpf_jit_harden", &level)?);
        }
        let (names, runs): (&[ModeName], _) = match args.only {
            KindName::FarJumps => (&[ModeName::Patcher], 8),
            KindName::Combined => (&[ModeName::Patcher, ModeName::Verify], 4),
            KindName::Branches => (&[], 2),
        };
        let modes = match (&args.modes[..], names) {
            ([], []) => runner.switch.all_modes().to_vec(),
            ([], names) | (names, _) => runner.modes(names)?,
        };
        Ok(Self {
            seed: args.draw.seed(),
            modes,
            how: Rewriting {
                jit,
                blinded: args.harden == 2,
            },
            runs: args.runs.unwrap_or(runs),
            long: args.long,
            decide: match args.plant {
                Some(Plant::Interpreter) => wrong,
                _ => holds,
            },
            plant: args.plant,
            far: args.far,
            prints: args.draw.prints(),
            _settings: settings,
        })
    }
}

/// Runs the command; true if no result differs, each program is loaded or refused as it should be, and
/// there was something to compare.
///
/// # Errors
///
/// A kernel that lacks a mode or a setting.
pub fn run(args: &RunArgs) -> io::Result<Verdict> {
    let mut runner = Runner::open()?;
    let setup = Setup::new(args, &runner)?;
    runner.restart()?;
    match args.only {
        KindName::FarJumps => all(&mut runner, args, &setup, far::FarJumps::new(&setup)),
        KindName::Combined => all(&mut runner, args, &setup, combined::Combined::new(&setup)?),
        KindName::Branches => all(&mut runner, args, &setup, branches::Branches::new(&setup)),
    }
}

/// Loads and runs all programs of a kind.
fn all(
    runner: &mut Runner,
    args: &RunArgs,
    setup: &Setup,
    mut kind: impl Kind,
) -> io::Result<Verdict> {
    let mut tally = Tally::default();
    for number in args.draw.numbers() {
        if args.draw.is_over(runner) {
            break;
        }
        let mut case = kind.draw(number)?;
        let about = kind.about(&case);
        let (insns, too_far) = (about.spec.insns.len(), about.too_far);
        tally.add(insns, too_far > 0);
        if setup.prints {
            out::progress(&disasm::listing(&about.spec.insns));
            out::progress(&about.more);
        }
        for &mode in &setup.modes {
            runner.switch.set(mode)?;
            let began = Instant::now();
            let (fate, said) = kind.load(&mut case, mode, &mut tally.runs)?;
            let took = began.elapsed();
            let expected = kind.is_expected(&case, mode, &fate);
            if setup.prints || !expected {
                let seed = setup.seed;
                out::progress(&format!(
                    "seed {seed} program {number} of {insns} insns, {too_far} too far, in mode {mode}: {fate}"
                ));
                if setup.prints || matches!(fate, Fate::Refused(_)) {
                    out::progress(&said);
                }
            }
            tally.loaded(mode, too_far > 0, &fate, expected, took, &said);
        }
        args.draw.progress(tally.programs, runner, || tally.said());
    }
    let missing = kind.missing();
    if !missing.is_empty() && !setup.prints {
        out::progress(&format!("never there: {}", missing.join(", ")));
    }
    for (reason, count) in &tally.reasons {
        out::progress(&format!("{count:6} refused: {reason}"));
    }
    let grown = runner.grown()?;
    let (sessions, far_jumps) = (grown.get("verify_sessions"), grown.get("far_jumps"));
    let good = tally.is_good()
        && grown.get("verify_differences") == 0
        && (missing.is_empty() || setup.prints);
    out::json(&json!({ "coverage": kind.coverage() }));
    let mut summary = tally.summary(runner.seconds());
    summary["seed"] = setup.seed.into();
    summary["far_jumps"] = far_jumps.into();
    summary["verify_sessions"] = sessions.into();
    summary["verify_differences"] = grown.get("verify_differences").into();
    out::json(&json!({ "summary": summary }));
    let mut said = tally.said();
    if far_jumps > 0 {
        said += &format!(", {far_jumps} far jumps made");
    }
    if sessions > 0 {
        said += &format!(", {sessions} sessions as with stock");
    }
    Ok(Verdict::new(good, said))
}
