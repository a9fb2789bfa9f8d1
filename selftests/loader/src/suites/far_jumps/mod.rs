// SPDX-License-Identifier: GPL-2.0

//! Programs of long jumps, which are loaded and run. What they return is compared with what an
//! interpreter of our own makes of the program as it was written: nothing of the kernel takes part in
//! that.
//!
//! A jump that does not fit once the program is rewritten is refused, unless the patcher makes a far jump
//! of it.

mod coverage;
mod tally;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::json;

use crate::args::{FarJumpArgs, FarPlant};
use crate::bpf::insn::{Cond, Width};
use crate::bpf::{self, disasm, Detail, Spec};
use crate::generator::far::{Program, Rewriting, Run};
use crate::interpreter::{holds, run as interpret, Decide};
use crate::kernel::jit;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::kernel::sysctl::Setting;
use crate::out;
use crate::suites::clock;
use coverage::Coverage;
pub use tally::processed;
use tally::{Fate, Tally};

/// The settings of the command, of the kernel and its own.
struct Suite {
    how: Rewriting,
    modes: Vec<Mode>,
    decide: Decide,
    plant: Option<FarPlant>,
    runs: usize,
    seed: u64,
    /// A mode needs time for each edit.
    few_edits: bool,
    /// Put back when it ends.
    _settings: Vec<Setting>,
}

/// Runs the command; true if no result differs, each program is loaded or refused as it should be, and
/// there was something to compare.
///
/// # Errors
///
/// A kernel that lacks a mode or a setting.
pub fn run(args: &FarJumpArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let suite = Suite::new(args, &switch)?;
    out::progress(&format!("seed {}", suite.seed));
    let before = Stats::read_if(&switch)?;
    let start = Instant::now();
    let (mut tally, mut coverage) = (Tally::default(), Coverage::default());
    let numbers = match args.only {
        Some(number) => number..number + 1,
        None => args.first..args.first + args.count,
    };
    let most = args.seconds.map(Duration::from_secs);
    for number in numbers {
        if most.is_some_and(|most| start.elapsed() >= most) {
            break;
        }
        suite.program(&mut switch, number, args, &mut tally, &mut coverage)?;
        if tally.programs % args.every.max(1) == 0 {
            out::progress(&tally.progress(start.elapsed()));
        }
    }
    let grown = Stats::read_if(&switch)?.since(&before);
    let differences = grown.get("verify_differences");
    let good = tally.is_good() && differences == 0;
    out::json(&json!({ "coverage": coverage.json() }));
    let mut summary = tally.summary(&suite.modes, start.elapsed());
    for (key, value) in [
        ("command", json!("far-jumps")),
        ("seed", json!(suite.seed)),
        ("jit", json!(suite.how.jit)),
        ("blinded", json!(suite.how.blinded)),
        ("jumps_both_ways", json!(coverage.both_ways())),
        ("jumps_of_any_kind", json!(coverage.kinds())),
        ("far_jumps", json!(grown.get("far_jumps"))),
        ("verify_sessions", json!(grown.get("verify_sessions"))),
        ("verify_differences", json!(differences)),
    ] {
        summary.insert(key.to_owned(), value);
    }
    out::json(&json!({ "summary": summary }));
    Ok(good)
}

impl Suite {
    fn new(args: &FarJumpArgs, switch: &Switch) -> io::Result<Self> {
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
        if args.jit == Some(1) && !jit {
            return Err(io::Error::other("this kernel has no JIT"));
        }
        if args.harden == 2 && !jit {
            return Err(io::Error::other("nothing is blinded without the JIT"));
        }
        if jit {
            let level = args.harden.to_string();
            settings.push(Setting::set("net/core/bpf_jit_harden", &level)?);
        }
        let has = switch.all_modes();
        let modes: Vec<Mode> = args.modes.iter().map(|&mode| mode.into()).collect();
        if let Some(mode) = modes.iter().find(|mode| !has.contains(mode)) {
            return Err(io::Error::other(format!("this kernel has no mode {mode}")));
        }
        Ok(Self {
            how: Rewriting {
                jit,
                blinded: args.harden == 2,
            },
            few_edits: modes.iter().any(|&mode| mode != Mode::Patcher),
            modes,
            decide: match args.plant {
                Some(FarPlant::Interpreter) => wrong,
                _ => holds,
            },
            plant: args.plant,
            runs: args.runs,
            seed: args.seed.unwrap_or_else(clock),
            _settings: settings,
        })
    }

    /// Loads a program in each mode, and runs it.
    fn program(
        &self,
        switch: &mut Switch,
        number: u64,
        args: &FarJumpArgs,
        tally: &mut Tally,
        coverage: &mut Coverage,
    ) -> io::Result<()> {
        let program = Program::new(self.seed, number, self.how, self.few_edits);
        let runs = program.runs(self.seed, number, self.runs);
        let began = Instant::now();
        let mut results = Vec::new();
        for run in &runs {
            let seen = |at, taken| coverage.seen(&program, at, taken);
            let result = interpret(&program.insns, &run.input(), self.decide, seen);
            let result = result.map_err(|fault| {
                io::Error::other(format!("program {number} cannot be interpreted: {fault:?}"))
            })?;
            results.push(result as u32);
        }
        tally.interpreted += began.elapsed();
        tally.add(&program, coverage);
        let mut insns = program.insns.clone();
        if self.plant == Some(FarPlant::Program) {
            mutate(&program, &mut insns);
        }
        let spec = Spec::new(BPF_PROG_TYPE_SCHED_CLS, "far_jumps", insns);
        if args.only.is_some() {
            out::progress(&disasm::listing(&spec.insns));
            out::progress(&format!("long jumps: {:?}", program.longs));
        }
        for &mode in &self.modes {
            switch.set(mode)?;
            let began = Instant::now();
            let (loaded, said) = bpf::load_briefly(&spec);
            let took = began.elapsed();
            let fate = match loaded {
                Ok((prog, _)) => self.ran(&prog, &program, &runs, &results, tally)?,
                Err(err) => refused(&err, &said),
            };
            let expected = fate.is_expected(mode, program.too_far() > 0, args.far);
            tally.unexpected += u64::from(!expected);
            if args.only.is_some() || !expected {
                let (seed, insns) = (self.seed, spec.insns.len());
                out::progress(&format!(
                    "seed {seed} program {number} of {insns} insns, {} too far, in mode {mode}: {fate}",
                    program.too_far()
                ));
                if matches!(fate, Fate::Refused(_)) {
                    out::progress(&said);
                }
            }
            tally.loaded(mode, &program, &fate, took, &said);
        }
        Ok(())
    }

    /// Runs a program on all inputs.
    fn ran(
        &self,
        prog: &OwnedFd,
        program: &Program,
        runs: &[Run],
        expected: &[u32],
        tally: &mut Tally,
    ) -> io::Result<Fate> {
        let fallback = self.how.jit && !bpf::is_jited(prog.as_fd())?;
        let began = Instant::now();
        let mut fate = Fate::Right { fallback };
        for (run, &expected) in runs.iter().zip(expected) {
            let result = bpf::test_run_on(prog.as_fd(), &run.packet, &run.context())?;
            tally.runs += 1;
            if result != expected {
                tally.different_runs += 1;
                let words = &run.words;
                fate = Fate::Different(format!(
                    "returns {result:#x}, and has to return {expected:#x} on {words:x?}"
                ));
            }
        }
        tally.ran += began.elapsed();
        // That it is known how long programs become is what puts jumps next to the limit.
        let insns = bpf::report(prog.as_fd(), Detail::Length)?.insns;
        if let Some(expected) = program.rewritten {
            if program.too_far() == 0 && !fallback && insns != expected {
                return Ok(Fate::Refused(format!(
                    "{insns} insns when rewritten, not {expected}"
                )));
            }
        }
        Ok(fate)
    }
}

fn refused(err: &io::Error, said: &str) -> Fate {
    if bpf::is_too_far(err, said) {
        Fate::TooFar
    } else {
        Fate::Refused(err.to_string())
    }
}

/// A wrong interpreter: that no bit is set in both is what it jumps on.
fn wrong(cond: Cond, width: Width, left: u64, right: u64) -> bool {
    holds(cond, width, left, right) != (cond == Cond::Set)
}

/// Spoils a program: its first long jump that fits leads one insn too far.
fn mutate(program: &Program, insns: &mut [bpf::insn::Insn]) {
    if let Some(&at) = program.longs.keys().next() {
        let insn = &mut insns[at];
        if insn.code == bpf::insn::GOTOL {
            insn.imm += 1;
        } else {
            insn.off += 1;
        }
    }
}
