// SPDX-License-Identifier: GPL-2.0

//! Random programs that combine all that is rewritten. They are loaded and run; what they return, and what
//! they leave in the packet, the context and a map is compared with what an interpreter of our own makes of
//! them as they were written.

mod structure;
mod tally;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::json;

use crate::args::CombinedArgs;
use crate::bpf::btf::Btf;
use crate::bpf::insn::{
    decode, Cond, Insn, Width, LD_IMM64, NOSPEC, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE,
};
use crate::bpf::{self, disasm, Detail, Spec};
use crate::generator::combined::{has_tail, tail, words, Program, Run, PROGRAMS, TAILS, VALUES};
use crate::interpreter::{holds, run_all, Decide, Event, Output};
use crate::kernel::jit;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::kernel::unpriv::Dropped;
use crate::out;
use crate::suites::clock;
use crate::suites::far_jumps::processed;
use tally::{Fate, Tally};

/// A program whose verification goes through more insns is reported.
const LONG: u64 = 100_000;

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

struct Suite {
    modes: Vec<Mode>,
    decide: Decide,
    runs: usize,
    seed: u64,
    /// One program of so many is long.
    long: usize,
    btf: Btf,
    /// Of programs with CAP_PERFMON, and without.
    maps: [Maps; 2],
    prints: bool,
}

/// Runs the command; true if no result differs, nearly all programs were loaded, and they had everything.
///
/// # Errors
///
/// A kernel that lacks a mode, a JIT, or what the programs need.
pub fn run(args: &CombinedArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let Some(_jit) = jit::on()? else {
        return Err(io::Error::other("this kernel has no JIT"));
    };
    let modes: Vec<Mode> = args.modes.iter().map(|&mode| mode.into()).collect();
    let has = switch.all_modes();
    if let Some(mode) = modes.iter().find(|mode| !has.contains(mode)) {
        return Err(io::Error::other(format!("this kernel has no mode {mode}")));
    }
    let suite = Suite {
        modes,
        decide: if args.plant { wrong } else { holds },
        runs: args.runs,
        long: args.long,
        seed: args.seed.unwrap_or_else(clock),
        btf: Btf::load()?,
        maps: [Maps::create(false)?, Maps::create(true)?],
        prints: args.only.is_some(),
    };
    out::progress(&format!("seed {}", suite.seed));
    let before = Stats::read_if(&switch)?;
    let start = Instant::now();
    let mut tally = Tally::default();
    let numbers = match args.only {
        Some(number) => number..number + 1,
        None => args.first..args.first + args.count,
    };
    for number in numbers {
        suite.program(&mut switch, number, &mut tally)?;
        if tally.programs % args.every.max(1) == 0 {
            out::progress(&tally.progress(start.elapsed()));
        }
    }
    let grown = Stats::read_if(&switch)?.since(&before);
    let differences = grown.get("verify_differences");
    let missing = tally.missing();
    if !missing.is_empty() && !suite.prints {
        out::progress(&format!("never there: {}", missing.join(", ")));
    }
    let good = tally.is_good() && differences == 0 && (missing.is_empty() || suite.prints);
    for (reason, count) in &tally.reasons {
        out::progress(&format!("{count:6} refused: {reason}"));
    }
    out::json(&json!({ "coverage": tally.ingredients.0 }));
    let mut summary = tally.summary(start.elapsed());
    summary.extend([
        ("command".to_owned(), json!("combined")),
        ("seed".to_owned(), json!(suite.seed)),
        ("far_jumps".to_owned(), json!(grown.get("far_jumps"))),
        (
            "verify_sessions".to_owned(),
            json!(grown.get("verify_sessions")),
        ),
        ("verify_differences".to_owned(), json!(differences)),
    ]);
    out::json(&json!({ "summary": summary }));
    Ok(good)
}

impl Suite {
    /// Loads a program in each mode, and runs it.
    fn program(&self, switch: &mut Switch, number: u64, tally: &mut Tally) -> io::Result<()> {
        let program = Program::new(self.seed, number, self.long);
        let runs = Program::runs(self.seed, number, self.runs);
        let mut outputs = Vec::new();
        for run in &runs {
            let seen = &mut |at, event| tally.seen(program.insns[at], event);
            let output = run_all(&program.insns, &run.input(&program), self.decide, seen);
            outputs.push(output.map_err(|fault| {
                io::Error::other(format!("program {number} cannot be interpreted: {fault:?}"))
            })?);
        }
        tally.add(&program);
        if self.prints {
            out::progress(&format!(
                "{:?}, functions at {:?}",
                program.profile, program.starts
            ));
            out::progress(&format!("insn arrays: {:?}", program.tables));
            out::progress(&disasm::listing(&program.insns));
        }
        for &mode in &self.modes {
            switch.set(mode)?;
            let began = Instant::now();
            let (fate, said) = self.load(&program, &runs, &outputs, tally)?;
            tally.loaded(mode, &program, &fate, began.elapsed());
            let verified = processed(&said);
            tally.verified += verified;
            let wrong = matches!(fate, Fate::Different(_) | Fate::Refused(_));
            if self.prints || wrong || verified > LONG {
                out::progress(&format!(
                    "seed {} program {number} of {} insns in mode {mode}, {verified} verified: {fate}",
                    self.seed,
                    program.insns.len()
                ));
            }
            if self.prints {
                out::progress(&said);
            }
        }
        Ok(())
    }

    fn load(
        &self,
        program: &Program,
        runs: &[Run],
        outputs: &[Output],
        tally: &mut Tally,
    ) -> io::Result<(Fate, String)> {
        let maps = &self.maps[usize::from(program.profile.guarded)];
        // An insn array serves one program.
        let tables = program.tables.iter();
        let tables: Vec<OwnedFd> = tables
            .map(|table| bpf::create_insn_array(table))
            .collect::<io::Result<_>>()?;
        let functions: Vec<_> = program.starts.iter().map(|&at| (at, false)).collect();
        let insns = program.insns.iter().map(|&insn| {
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
            cap_bpf: program.profile.guarded,
            harden: Some(if program.profile.blinded { 2 } else { 0 }),
            ..Spec::new(BPF_PROG_TYPE_SCHED_CLS, "combined", insns.collect())
        };
        let (loaded, said) = bpf::load_briefly(&spec);
        let prog = match loaded {
            Ok((prog, _)) => prog,
            Err(err) if bpf::is_too_far(&err, &said) => return Ok((Fate::TooFar, said)),
            Err(err) => {
                let reason = bpf::refusal(&spec).unwrap_or_default();
                let log = if self.prints { bpf::log(&spec) } else { said };
                return Ok((Fate::Refused(format!("{err}: {reason}")), log));
            }
        };
        let report = bpf::report(prog.as_fd(), Detail::Full)?;
        let final_insns = decode(report.xlated.as_deref().unwrap_or_default());
        if self.prints {
            out::progress(&format!("{} insns when rewritten", report.insns));
            out::progress(&disasm::listing(&final_insns));
        }
        let barriers = final_insns.iter().filter(|insn| insn.code == NOSPEC);
        tally.ingredients.count("barriers", barriers.count() as u64);
        if let Some(what) =
            structure::wrong(program.profile.blinded, &final_insns, &report.func_info)
        {
            return Ok((Fate::Different(what), said));
        }
        for (run, expected) in runs.iter().zip(outputs) {
            bpf::set_value(maps.value.as_fd(), run.value)?;
            let ran = bpf::test_run_out(prog.as_fd(), &run.packet, &run.context())?;
            let value = bpf::value(maps.value.as_fd())?;
            tally.runs += 1;
            let difference = compared(&ran, &value, expected);
            if let Some(what) = difference {
                return Ok((Fate::Different(what), said));
            }
        }
        Ok((Fate::Right, said))
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

/// A wrong interpreter: that no bit is set in both is what it jumps on.
fn wrong(cond: Cond, width: Width, left: u64, right: u64) -> bool {
    holds(cond, width, left, right) != (cond == Cond::Set)
}
