// SPDX-License-Identifier: GPL-2.0

//! Random programs that combine all that is rewritten. What they return, and what they leave in the packet, the
//! context and a map is compared.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::{json, Value};

use super::structure;
use super::tally::Fate;
use super::{About, Kind, Setup};
use crate::bpf::btf::Btf;
use crate::bpf::insn::{decode, Insn, LD_IMM64, MAY_GOTO, NOSPEC, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE};
use crate::bpf::{self, disasm, Detail, Spec};
use crate::interpreter::{run_all, Event, Output};
use crate::kernel::mode::Mode;
use crate::kernel::unpriv::Dropped;
use crate::out;
use crate::programs::generator::combined::{
    has_tail, tail, words, Ingredients, Program, Run, PROGRAMS, TAILS, VALUES,
};

/// What programs have to have had, each.
const ALL: [&str; 31] = [
    "always_taken",
    "barrier_elsewhere",
    "barrier_on_a_jump",
    "barrier_on_bpf_loop",
    "barriers",
    "blinded",
    "bpf_loop",
    "bpf_loop_by_helper",
    "call",
    "call_of_dead_function",
    "dead_behind_a_jump_back",
    "dead_bpf_loop",
    "far_conditional_backward",
    "far_conditional_forward",
    "far_ja_backward",
    "far_may_goto_forward",
    "gotox",
    "long",
    "lookup",
    "loop",
    "may_goto_loop",
    "never_taken",
    "rounds",
    "store_to_context",
    "tail_call_made",
    "tail_call_missed",
    "taken",
    "passed",
    "went_by_gotox",
    "without_perfmon",
    "write_to_packet",
];

/// Maps that programs share.
struct Maps {
    value: OwnedFd,
    progs: OwnedFd,
    /// What is in `progs`.
    _tail: OwnedFd,
}

impl Maps {
    /// The maps of those who guard against speculation are made without CAP_PERFMON: indices are masked.
    fn create(guarded: bool) -> io::Result<Self> {
        let tail = Spec::new(BPF_PROG_TYPE_SCHED_CLS, "tail", tail());
        let (tail, _) = bpf::load(&tail)?;
        let dropped = guarded.then(Dropped::to_cap_bpf).transpose()?;
        let (value, progs) = (bpf::create_value()?, bpf::create_progs(TAILS)?);
        drop(dropped);
        for key in (0..TAILS).filter(|&key| has_tail(key)) {
            bpf::put_program(progs.as_fd(), key, tail.as_fd())?;
        }
        Ok(Self {
            value,
            progs,
            _tail: tail,
        })
    }
}

pub struct Combined<'a> {
    setup: &'a Setup,
    btf: Btf,
    /// Of programs with CAP_PERFMON, and without.
    maps: [Maps; 2],
    ingredients: Ingredients,
}

/// A program, and what its runs come to.
pub struct Case {
    program: Program,
    /// As it was written: without maps.
    spec: Spec,
    runs: Vec<Run>,
    outputs: Vec<Output>,
}

/// What happened in a run.
fn seen(ingredients: &mut Ingredients, insn: Insn, event: Event) {
    match event {
        Event::Jump(_) if insn.code == MAY_GOTO => {}
        Event::Jump(true) => ingredients.add("taken"),
        Event::Jump(false) => ingredients.add("passed"),
        Event::TailCall(true) => ingredients.add("tail_call_made"),
        Event::TailCall(false) => ingredients.add("tail_call_missed"),
        Event::Gotox => ingredients.add("went_by_gotox"),
        Event::Round => ingredients.add("rounds"),
    }
}

/// What no program had.
fn missing(ingredients: &Ingredients) -> Vec<String> {
    let has = |name: &&'static str| ingredients.0.contains_key(name);
    let all = ALL.into_iter().filter(|name| !has(name));
    all.map(str::to_owned).collect()
}

impl<'a> Combined<'a> {
    /// # Errors
    ///
    /// A kernel that lacks what the programs need.
    pub fn new(setup: &'a Setup) -> io::Result<Self> {
        Ok(Self {
            setup,
            btf: Btf::load()?,
            maps: [Maps::create(false)?, Maps::create(true)?],
            ingredients: Ingredients::default(),
        })
    }
}

impl Kind for Combined<'_> {
    type Case = Case;

    fn draw(&mut self, number: u64) -> io::Result<Case> {
        let setup = self.setup;
        let program = Program::new(setup.seed, number, setup.long);
        let runs = Program::runs(setup.seed, number, setup.runs);
        let mut outputs = Vec::new();
        for run in &runs {
            let seen = &mut |at, event| seen(&mut self.ingredients, program.insns[at], event);
            let output = run_all(&program.insns, &run.input(&program), setup.decide, seen);
            outputs.push(output.map_err(|fault| {
                io::Error::other(format!("program {number} cannot be interpreted: {fault:?}"))
            })?);
        }
        for (&name, &count) in &program.ingredients.0 {
            self.ingredients.count(name, count);
        }
        let spec = Spec::new(BPF_PROG_TYPE_SCHED_CLS, "combined", program.insns.clone());
        Ok(Case {
            program,
            spec,
            runs,
            outputs,
        })
    }

    fn about<'a>(&self, case: &'a Case) -> About<'a> {
        let Program {
            profile,
            starts,
            tables,
            ..
        } = &case.program;
        About {
            spec: &case.spec,
            too_far: 0,
            more: format!("{profile:?}, functions at {starts:?}, insn arrays: {tables:?}"),
        }
    }

    fn load(&mut self, case: &mut Case, _: Mode, runs: &mut u64) -> io::Result<(Fate, String)> {
        let maps = &self.maps[usize::from(case.program.profile.guarded)];
        // An insn array serves one program.
        let tables = case.program.tables.iter();
        let tables: Vec<OwnedFd> = tables
            .map(|table| bpf::create_insn_array(table))
            .collect::<io::Result<_>>()?;
        let functions: Vec<_> = case.program.starts.iter().map(|&at| (at, false)).collect();
        let insns = case.program.insns.iter().map(|&insn| {
            let fd = match (insn.code, insn.src(), insn.imm) {
                (LD_IMM64, PSEUDO_MAP_FD | PSEUDO_MAP_VALUE, map) => match map {
                    VALUES => &maps.value,
                    PROGRAMS => &maps.progs,
                    table => &tables[table as usize - 1],
                },
                _ => return insn,
            };
            let imm = fd.as_raw_fd();
            Insn { imm, ..insn }
        });
        let spec = Spec {
            btf: Some(self.btf.fd()),
            func_info: Btf::func_info(&functions),
            cap_bpf: case.program.profile.guarded,
            harden: Some(if case.program.profile.blinded { 2 } else { 0 }),
            ..Spec::new(BPF_PROG_TYPE_SCHED_CLS, "combined", insns.collect())
        };
        let (loaded, said) = bpf::load_briefly(&spec);
        let prog = match loaded {
            Ok((prog, _)) => prog,
            Err(err) if bpf::is_too_far(&err, &said) => return Ok((Fate::TooFar, said)),
            Err(err) => {
                let reason = bpf::refusal(&spec).unwrap_or_default();
                let log = if self.setup.prints {
                    bpf::log(&spec)
                } else {
                    said
                };
                return Ok((Fate::Refused(format!("{err}: {reason}")), log));
            }
        };
        let report = bpf::report(prog.as_fd(), Detail::Full)?;
        let final_insns = decode(report.xlated.as_deref().unwrap_or_default());
        if self.setup.prints {
            out::progress(&format!("{} insns when rewritten", report.insns));
            out::progress(&disasm::listing(&final_insns));
        }
        let barriers = final_insns.iter().filter(|insn| insn.code == NOSPEC);
        self.ingredients.count("barriers", barriers.count() as u64);
        if let Some(what) = structure::wrong(
            case.program.profile.blinded,
            &final_insns,
            &report.func_info,
        ) {
            return Ok((Fate::Different(what), said));
        }
        for (run, expected) in case.runs.iter().zip(&case.outputs) {
            bpf::set_value(maps.value.as_fd(), run.value)?;
            let ran = bpf::test_run_out(prog.as_fd(), &run.packet, &run.context())?;
            let value = bpf::value(maps.value.as_fd())?;
            *runs += 1;
            let difference = compared(&ran, &value, expected);
            if let Some(what) = difference {
                return Ok((Fate::Different(what), said));
            }
        }
        Ok((Fate::Right { fallback: false }, said))
    }

    /// Of long programs, a jump may be too far.
    fn is_expected(&self, case: &Case, _: Mode, fate: &Fate) -> bool {
        match fate {
            // Some may be refused for no jump: see the tally.
            Fate::Right { .. } | Fate::Refused(_) => true,
            Fate::TooFar => case.program.profile.long,
            Fate::Different(_) => false,
        }
    }

    fn coverage(&self) -> Value {
        json!(self.ingredients.0)
    }

    fn missing(&self) -> Vec<String> {
        missing(&self.ingredients)
    }
}

/// How what a program leaves behind differs from what it should.
fn compared(ran: &bpf::Ran, value: &[u8], expected: &Output) -> Option<String> {
    let result = expected.result as u32;
    if ran.value != result {
        return Some(format!("returns {:#x}, and not {result:#x}", ran.value));
    }
    for off in words() {
        let at = off as usize;
        let word = ran.context[at..at + 4].try_into().map(u32::from_ne_bytes);
        if word.ok() != expected.context.word(off) {
            return Some(format!("another word at {off} of the context"));
        }
    }
    if ran.packet != expected.packet {
        return Some("another packet".to_owned());
    }
    (value != expected.values).then(|| "another value in the map".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::holds;

    /// What the short run of `selftests/vm/suites/loader.sh` has, which only lacks a verifier here.
    #[test]
    fn all_is_there() {
        let mut ingredients = Ingredients::default();
        for number in 0..200 {
            let program = Program::new(1, number, 40);
            for run in Program::runs(1, number, 4) {
                let seen = &mut |at, event| seen(&mut ingredients, program.insns[at], event);
                let output = run_all(&program.insns, &run.input(&program), holds, seen);
                assert!(output.is_ok(), "program {number}: {:?}", output.err());
            }
            for (&name, &count) in &program.ingredients.0 {
                ingredients.count(name, count);
            }
        }
        assert_eq!(missing(&ingredients), ["barriers"]);
    }
}
