// SPDX-License-Identifier: GPL-2.0

//! Random programs with static branches, in sets. Each is loaded in every mode and run after every switch of
//! a set. What it returns is compared with what an interpreter of our own makes of the program as it was
//! written. What the kernel reports is compared between the modes, and each set with where its branches are
//! in the rewritten program.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::{json, Value};

use crate::args::StaticBranchArgs;
use crate::bpf::insn::{decode, Insn};
use crate::bpf::{self, disasm, static_branch, Detail, Report, Spec};
use crate::compare::{difference, drawn};
use crate::generator::far::{Flavour, Kind, Program, Rewriting, Run};
use crate::generator::rng::Rng;
use crate::interpreter::{holds, run as interpret};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::suites::clock;

/// Runs of a program after each switch.
const RUNS: usize = 2;
/// Sets of a program, at most.
const SETS: usize = 3;
/// One program of so many is blinded.
const BLINDED: u64 = 3;
/// Programs between two lines of progress.
const EVERY: u64 = 100;

/// A program, and what is done with it.
struct Case {
    program: Program,
    how: Rewriting,
    /// Branches by their insns; a branch may be in no set.
    sets: Vec<Vec<u32>>,
    /// Which set is switched, one after the other.
    switches: Vec<usize>,
    runs: Vec<Run>,
    /// What the runs return as loaded, and after each switch.
    expected: Vec<Vec<u32>>,
}

impl Case {
    fn draw(seed: u64, number: u64, tally: &mut Tally) -> io::Result<Self> {
        let how = Rewriting {
            jit: true,
            blinded: number % BLINDED == BLINDED - 1,
        };
        let program = Program::of_branches(seed, number, how);
        let mut rng = Rng::new(seed.rotate_left(32), number);
        let mut sets = vec![Vec::new(); SETS];
        for branch in program.branches() {
            if let Some(set) = sets.get_mut(rng.below(SETS + 1)) {
                set.push(branch as u32);
            }
        }
        sets.retain(|set| !set.is_empty());
        let count = sets.len();
        let mut switches: Vec<usize> = (0..count).collect();
        for set in &mut sets {
            rng.shuffle(set);
            switches.push(rng.below(count));
        }
        let mut case = Self {
            runs: program.runs(seed, number, RUNS),
            program,
            how,
            sets,
            switches,
            expected: Vec::new(),
        };
        case.expect(tally)?;
        Ok(case)
    }

    /// Interprets the runs.
    fn expect(&mut self, tally: &mut Tally) -> io::Result<()> {
        let mut switched = BTreeSet::new();
        for step in 0..=self.switches.len() {
            if let Some(set) = step.checked_sub(1).map(|step| self.switches[step]) {
                for &branch in &self.sets[set] {
                    let branch = branch as usize;
                    if !switched.remove(&branch) {
                        switched.insert(branch);
                    }
                }
            }
            let mut results = Vec::new();
            for run in &self.runs {
                let mut input = run.input();
                input.switched.clone_from(&switched);
                let insns = &self.program.insns;
                let seen = |at: usize, taken| tally.seen(insns[at], taken);
                let result = interpret(insns, &input, holds, seen).map_err(|fault| {
                    io::Error::other(format!("a program cannot be interpreted: {fault:?}"))
                })?;
                results.push(result as u32);
            }
            self.expected.push(results);
        }
        Ok(())
    }

    fn spec(&self) -> Spec {
        let insns = self.program.insns.clone();
        let mut spec = Spec::new(BPF_PROG_TYPE_SCHED_CLS, "branches", insns);
        spec.harden = Some(if self.how.blinded { 2 } else { 0 });
        spec
    }

    /// Where each branch is in the rewritten program, unless it was dead.
    fn places(&self, xlated: &[Insn]) -> BTreeMap<usize, usize> {
        let live = self.program.branches();
        let live = live.filter(|at| !self.program.dead.contains(at));
        live.zip((0..xlated.len()).filter(|&at| xlated[at].is_static_branch()))
            .collect()
    }

    /// Branches of 16 bits that became ones of 32.
    fn widened(&self, xlated: &[Insn]) -> usize {
        let places = self.places(xlated).into_iter();
        places
            .filter(|&(was, is)| {
                let was = Flavour::of(self.program.insns[was]);
                !was.wide && Flavour::of(xlated[is]).wide
            })
            .count()
    }

    /// Does each set say where its branches are in the rewritten program?
    fn misplaced(&self, sets: &[OwnedFd], xlated: &[Insn]) -> io::Result<Option<String>> {
        let places = self.places(xlated);
        for (set, listed) in sets.iter().zip(&self.sets) {
            let positions = bpf::insn_positions(set.as_fd(), listed.len() as u32)?;
            for (&branch, position) in listed.iter().zip(positions) {
                let branch = branch as usize;
                let expected = places.get(&branch).copied();
                let position = position.map(|at| at as usize);
                if position != expected {
                    return Ok(Some(format!(
                        "branch {branch} is at {position:?}, and should be at {expected:?}"
                    )));
                }
                if let Some(insn) = position.map(|at| xlated[at]) {
                    if !self.became(branch, insn) {
                        let was = self.program.insns[branch];
                        return Ok(Some(format!("branch {branch}, {was:x?}, became {insn:x?}")));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Is `insn` what the branch may have become? It has to become wide if it is too far. It may if it is
    /// long and another jump, which grows by that, is too far.
    fn became(&self, branch: usize, insn: Insn) -> bool {
        let (was, is) = (Flavour::of(self.program.insns[branch]), Flavour::of(insn));
        let program = &self.program;
        let may_widen = program.too_far() > 0 && program.longs.contains_key(&branch);
        let wide = match (was.wide, program.is_too_far(branch)) {
            (false, false) => !is.wide || may_widen,
            _ => is.wide,
        };
        is.nop == was.nop && wide
    }
}

/// What became of a program in a mode.
enum Fate {
    Loaded(Report),
    /// Refused, as a jump does not fit.
    TooFar,
    Wrong(String),
}

#[derive(Default)]
struct Tally {
    programs: u64,
    blinded: u64,
    too_far: u64,
    branches: u64,
    listed: u64,
    dead: u64,
    /// Of 16 bits as written, and of 32 as loaded.
    relaxed: u64,
    loads: u64,
    refused: u64,
    switches: u64,
    runs: u64,
    /// Pairs of reports.
    compared: u64,
    wrong: u64,
    /// Of the interpreter's runs: how often branches of a flavour jumped, and did not.
    ways: BTreeMap<Flavour, [u64; 2]>,
}

impl Tally {
    fn seen(&mut self, insn: Insn, taken: bool) {
        if insn.is_static_branch() {
            self.ways.entry(Flavour::of(insn)).or_default()[usize::from(!taken)] += 1;
        }
    }

    fn add(&mut self, case: &Case) {
        self.programs += 1;
        self.blinded += u64::from(case.how.blinded);
        self.too_far += u64::from(case.program.too_far() > 0);
        self.branches += case.program.branches().count() as u64;
        self.listed += case.sets.iter().map(|set| set.len() as u64).sum::<u64>();
        let dead = |at: &usize| case.program.dead.contains(at);
        self.dead += case.program.branches().filter(dead).count() as u64;
    }

    fn complain(&mut self, seed: u64, number: u64, what: &str) {
        self.wrong += 1;
        out::progress(&format!("seed {seed} program {number}: {what}"));
    }

    fn every_way(&self) -> bool {
        let both = |flavour| {
            self.ways
                .get(flavour)
                .is_some_and(|ways| !ways.contains(&0))
        };
        Flavour::ALL.iter().all(both)
    }

    fn json(&self, seed: u64) -> Value {
        let ways = self.ways.iter().map(|(&flavour, [taken, passed])| {
            let ways = json!({ "taken": taken, "passed": passed });
            (Kind::Branch(flavour).name(), ways)
        });
        json!({
            "seed": seed, "programs": self.programs, "blinded": self.blinded, "with_far_jumps": self.too_far,
            "branches": self.branches, "listed": self.listed, "dead": self.dead, "relaxed": self.relaxed,
            "loads": self.loads, "refused": self.refused, "switches": self.switches, "runs": self.runs,
            "compared": self.compared, "wrong": self.wrong,
            "ways": Value::Object(ways.collect()),
        })
    }
}

/// True if each program was as it should be, and branches of each flavour went both ways.
///
/// # Errors
///
/// A kernel without a setting that is needed.
pub fn run(args: &StaticBranchArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    let seed = args.seed.unwrap_or_else(clock);
    out::progress(&format!("seed {seed}"));
    let before = Stats::read_if(&switch)?;
    let start = Instant::now();
    let mut tally = Tally::default();
    let numbers = match args.only {
        Some(number) => number..number + 1,
        None => args.first..args.first + args.programs,
    };
    for number in numbers {
        let case = Case::draw(seed, number, &mut tally)?;
        tally.add(&case);
        if args.only.is_some() {
            out::progress(&disasm::listing(&case.program.insns));
            out::progress(&format!(
                "sets {:?}, switched {:?}",
                case.sets, case.switches
            ));
        }
        let mut first: Option<(Mode, Report)> = None;
        for &mode in switch.all_modes() {
            switch.set(mode)?;
            match load(&case, args.plant, &mut tally)? {
                Fate::Wrong(what) => tally.complain(seed, number, &format!("{mode}: {what}")),
                Fate::TooFar if mode == Mode::Stock && case.program.too_far() > 0 => {
                    tally.refused += 1;
                }
                Fate::TooFar => {
                    tally.complain(seed, number, &format!("{mode}: a jump is too far"));
                }
                Fate::Loaded(_) if mode == Mode::Stock && case.program.too_far() > 0 => {
                    tally.complain(seed, number, &format!("{mode}: loads, with far jumps"));
                }
                Fate::Loaded(report) => match &first {
                    None => first = Some((mode, report)),
                    Some((other, expected)) => {
                        tally.compared += 1;
                        if let Some(how) = difference(&case.program.insns, expected, &report) {
                            let what = format!("{other} and {mode}: {how}");
                            tally.complain(seed, number, &what);
                        }
                    }
                },
            }
        }
        if tally.programs % EVERY == 0 {
            let seconds = start.elapsed().as_secs_f64();
            out::progress(&format!(
                "{} programs, {} runs, {} wrong, {seconds:.1} s",
                tally.programs, tally.runs, tally.wrong
            ));
        }
    }
    let grown = Stats::read_if(&switch)?.since(&before);
    let differences = grown.get("verify_differences");
    let mut report = tally.json(seed);
    report["seconds"] = start.elapsed().as_secs_f64().into();
    report["verify_sessions"] = grown.get("verify_sessions").into();
    report["verify_differences"] = differences.into();
    out::json(&json!({ "random": report }));
    let every_way = args.only.is_some() || tally.every_way();
    Ok(tally.wrong == 0 && differences == 0 && tally.runs > 0 && every_way)
}

/// Loads a program and runs it after each switch. With `plant` nothing is switched.
fn load(case: &Case, plant: bool, tally: &mut Tally) -> io::Result<Fate> {
    let sets = case.sets.iter().map(|set| bpf::create_insn_array(set));
    let sets = sets.collect::<io::Result<Vec<_>>>()?;
    let mut spec = case.spec();
    spec.bound = sets.iter().map(AsRawFd::as_raw_fd).collect();
    let (loaded, said) = bpf::load_briefly(&spec);
    let (prog, _) = match loaded {
        Ok(loaded) => loaded,
        Err(err) if bpf::is_too_far(&err, &said) => return Ok(Fate::TooFar),
        Err(err) => return Ok(Fate::Wrong(format!("{err}, {said}"))),
    };
    tally.loads += 1;
    let mut report = bpf::report(prog.as_fd(), Detail::Full)?;
    let xlated = decode(report.xlated.as_deref().unwrap_or_default());
    tally.relaxed += case.widened(&xlated) as u64;
    if let Some(what) = case.misplaced(&sets, &xlated)? {
        return Ok(Fate::Wrong(what));
    }
    if case
        .program
        .rewritten
        .is_some_and(|len| case.program.too_far() == 0 && len != xlated.len())
    {
        let expected = case.program.rewritten;
        return Ok(Fate::Wrong(format!(
            "{} insns, not {expected:?}",
            xlated.len()
        )));
    }
    if let Some(what) = switched(case, &sets, prog.as_fd(), plant, tally)? {
        return Ok(Fate::Wrong(what));
    }
    let after = bpf::report(prog.as_fd(), Detail::Full)?;
    if let Some(how) = difference(&case.program.insns, &report, &after) {
        return Ok(Fate::Wrong(format!("before and after the switches: {how}")));
    }
    drawn::clear(&spec, &mut report);
    Ok(Fate::Loaded(report))
}

/// Runs a program as it is loaded and after each switch; says what was wrong.
fn switched(
    case: &Case,
    sets: &[OwnedFd],
    prog: BorrowedFd<'_>,
    plant: bool,
    tally: &mut Tally,
) -> io::Result<Option<String>> {
    let mut on = vec![false; sets.len()];
    for (step, expected) in case.expected.iter().enumerate() {
        if let Some(set) = step.checked_sub(1).map(|step| case.switches[step]) {
            on[set] = !on[set];
            tally.switches += 1;
            if !plant {
                static_branch::switch(sets[set].as_fd(), on[set])?;
            }
        }
        for (run, &expected) in case.runs.iter().zip(expected) {
            let result = bpf::test_run_on(prog, &run.packet, &run.context())?;
            tally.runs += 1;
            if result != expected {
                return Ok(Some(format!(
                    "with sets {on:?} returns {result:#x}, and has to return {expected:#x} on {:x?}",
                    run.words
                )));
            }
        }
    }
    Ok(None)
}
