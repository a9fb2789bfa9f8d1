// SPDX-License-Identifier: GPL-2.0

//! Programs of long jumps.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::{json, Value};

use super::coverage::Coverage;
use super::tally::Fate;
use super::{About, Kind, Plant, Setup};
use crate::bpf::{self, Detail, Spec};
use crate::interpreter::run as interpret;
use crate::kernel::mode::Mode;
use crate::programs::generator::far::{Program, Run};

pub struct FarJumps<'a> {
    setup: &'a Setup,
    /// A mode needs time for each edit.
    few_edits: bool,
    coverage: Coverage,
}

/// A program, and what its runs return.
pub struct Case {
    program: Program,
    /// As it is loaded.
    spec: Spec,
    runs: Vec<(Run, u32)>,
}

impl<'a> FarJumps<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        Self {
            setup,
            few_edits: setup.modes.iter().any(|&mode| mode != Mode::Patcher),
            coverage: Coverage::default(),
        }
    }

    /// Runs a program on all inputs.
    fn ran(&self, prog: &OwnedFd, case: &Case, count: &mut u64) -> io::Result<Fate> {
        let fallback = self.setup.how.jit && !bpf::is_jited(prog.as_fd())?;
        let mut fate = Fate::Right { fallback };
        for (run, expected) in &case.runs {
            let result = bpf::test_run_on(prog.as_fd(), &run.packet, &run.context())?;
            *count += 1;
            if result != *expected {
                let words = &run.words;
                fate = Fate::Different(format!(
                    "returns {result:#x}, and has to return {expected:#x} on {words:x?}"
                ));
            }
        }
        // That it is known how long programs become is what puts jumps next to the limit.
        let insns = bpf::report(prog.as_fd(), Detail::Length)?.insns;
        if let Some(expected) = case.program.rewritten {
            if case.program.too_far() == 0 && !fallback && insns != expected {
                return Ok(Fate::Refused(format!(
                    "{insns} insns when rewritten, not {expected}"
                )));
            }
        }
        Ok(fate)
    }
}

impl Kind for FarJumps<'_> {
    type Case = Case;

    fn draw(&mut self, number: u64) -> io::Result<Case> {
        let setup = self.setup;
        let program = Program::new(setup.seed, number, setup.how, self.few_edits);
        let mut runs = Vec::new();
        for run in program.runs(setup.seed, number, setup.runs) {
            let seen = |at, taken| self.coverage.seen(&program, at, taken);
            let result = interpret(&program.insns, &run.input(), setup.decide, seen);
            let result = result.map_err(|fault| {
                io::Error::other(format!("program {number} cannot be interpreted: {fault:?}"))
            })?;
            runs.push((run, result as u32));
        }
        self.coverage.add(&program);
        let mut insns = program.insns.clone();
        if setup.plant == Some(Plant::Program) {
            mutate(&program, &mut insns);
        }
        let spec = Spec::new(BPF_PROG_TYPE_SCHED_CLS, "far_jumps", insns);
        Ok(Case {
            program,
            spec,
            runs,
        })
    }

    fn about<'a>(&self, case: &'a Case) -> About<'a> {
        About {
            spec: &case.spec,
            too_far: case.program.too_far(),
            more: format!("long jumps: {:?}", case.program.longs),
        }
    }

    fn load(&mut self, case: &mut Case, _: Mode, runs: &mut u64) -> io::Result<(Fate, String)> {
        let (loaded, said) = bpf::load_briefly(&case.spec);
        let fate = match loaded {
            Ok((prog, _)) => self.ran(&prog, case, runs)?,
            Err(err) => Fate::refused(&err, &said),
        };
        Ok((fate, said))
    }

    fn is_expected(&self, case: &Case, mode: Mode, fate: &Fate) -> bool {
        fate.is_expected(mode, case.program.too_far() > 0, self.setup.far)
    }

    fn coverage(&self) -> Value {
        json!({
            "jumps_both_ways": self.coverage.both_ways(),
            "jumps_of_any_kind": self.coverage.kinds(),
            "jumps": self.coverage.json(),
        })
    }

    fn missing(&self) -> Vec<String> {
        Vec::new()
    }
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
