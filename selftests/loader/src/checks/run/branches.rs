// SPDX-License-Identifier: GPL-2.0

//! Programs with static branches, in sets. Each is run after every switch of a set. What the kernel reports is
//! compared between the modes, and each set with where its branches are in the rewritten program.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;
use serde_json::{json, Value};

use super::tally::Fate;
use super::{About, FarExpect, Kind, Plant, Setup};
use crate::bpf::insn::{decode, Insn};
use crate::bpf::{self, static_branch, Detail, Report, Spec};
use crate::compare::{difference, drawn};
use crate::interpreter::run as interpret;
use crate::kernel::mode::Mode;
use crate::programs::generator::far::{Flavour, Kind as Jump, Program, Rewriting, Run};
use crate::programs::generator::rng::Rng;

/// Sets of a program, at most.
const SETS: usize = 3;
/// One program of so many is blinded.
const BLINDED: u64 = 3;

/// A program, and what is done with it.
pub struct Case {
    program: Program,
    spec: Spec,
    /// Branches by their insns; a branch may be in no set.
    sets: Vec<Vec<u32>>,
    /// Which set is switched, one after the other.
    switches: Vec<usize>,
    runs: Vec<Run>,
    /// What the runs return as loaded, and after each switch.
    expected: Vec<Vec<u32>>,
    /// What the first mode that loads it makes of it.
    first: Option<(Mode, Report)>,
}

impl Case {
    fn draw(setup: &Setup, number: u64, counts: &mut Counts) -> io::Result<Self> {
        let seed = setup.seed;
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
            runs: program.runs(seed, number, setup.runs),
            spec: Spec {
                harden: Some(if how.blinded { 2 } else { 0 }),
                ..Spec::new(BPF_PROG_TYPE_SCHED_CLS, "branches", program.insns.clone())
            },
            program,
            sets,
            switches,
            expected: Vec::new(),
            first: None,
        };
        counts.blinded += u64::from(how.blinded);
        case.expect(setup, counts)?;
        Ok(case)
    }

    /// Interprets the runs.
    fn expect(&mut self, setup: &Setup, counts: &mut Counts) -> io::Result<()> {
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
                let seen = |at: usize, taken| counts.seen(insns[at], taken);
                let result = interpret(insns, &input, setup.decide, seen).map_err(|fault| {
                    io::Error::other(format!("a program cannot be interpreted: {fault:?}"))
                })?;
                results.push(result as u32);
            }
            self.expected.push(results);
        }
        Ok(())
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

#[derive(Default)]
struct Counts {
    blinded: u64,
    branches: u64,
    listed: u64,
    dead: u64,
    /// Of 16 bits as written, and of 32 as loaded.
    relaxed: u64,
    switches: u64,
    /// Pairs of reports.
    compared: u64,
    /// Of the interpreter's runs: how often branches of a flavour jumped, and did not.
    ways: BTreeMap<Flavour, [u64; 2]>,
}

impl Counts {
    fn seen(&mut self, insn: Insn, taken: bool) {
        if insn.is_static_branch() {
            self.ways.entry(Flavour::of(insn)).or_default()[usize::from(!taken)] += 1;
        }
    }

    fn add(&mut self, case: &Case) {
        self.branches += case.program.branches().count() as u64;
        self.listed += case.sets.iter().map(|set| set.len() as u64).sum::<u64>();
        let dead = |at: &usize| case.program.dead.contains(at);
        self.dead += case.program.branches().filter(dead).count() as u64;
    }
}

pub struct Branches<'a> {
    setup: &'a Setup,
    counts: Counts,
}

impl<'a> Branches<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        let counts = Counts::default();
        Self { setup, counts }
    }

    /// Runs a program as it is loaded and after each switch; says what was wrong.
    fn switched(
        &mut self,
        case: &Case,
        sets: &[OwnedFd],
        prog: BorrowedFd<'_>,
        runs: &mut u64,
    ) -> io::Result<Option<String>> {
        let mut on = vec![false; sets.len()];
        for (step, expected) in case.expected.iter().enumerate() {
            if let Some(set) = step.checked_sub(1).map(|step| case.switches[step]) {
                on[set] = !on[set];
                self.counts.switches += 1;
                if self.setup.plant != Some(Plant::Switches) {
                    static_branch::switch(sets[set].as_fd(), on[set])?;
                }
            }
            for (run, &expected) in case.runs.iter().zip(expected) {
                let result = bpf::test_run_on(prog, &run.packet, &run.context())?;
                *runs += 1;
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
}

impl Kind for Branches<'_> {
    type Case = Case;

    fn draw(&mut self, number: u64) -> io::Result<Case> {
        let case = Case::draw(self.setup, number, &mut self.counts)?;
        self.counts.add(&case);
        Ok(case)
    }

    fn about<'a>(&self, case: &'a Case) -> About<'a> {
        About {
            spec: &case.spec,
            too_far: case.program.too_far(),
            more: format!("sets {:?}, switched {:?}", case.sets, case.switches),
        }
    }

    fn load(&mut self, case: &mut Case, mode: Mode, runs: &mut u64) -> io::Result<(Fate, String)> {
        let sets = case.sets.iter().map(|set| bpf::create_insn_array(set));
        let sets = sets.collect::<io::Result<Vec<_>>>()?;
        let mut spec = case.spec.clone();
        spec.bound = sets.iter().map(AsRawFd::as_raw_fd).collect();
        let (loaded, said) = bpf::load_briefly(&spec);
        let (prog, _) = match loaded {
            Ok(loaded) => loaded,
            Err(err) => return Ok((Fate::refused(&err, &said), said)),
        };
        let mut report = bpf::report(prog.as_fd(), Detail::Full)?;
        let xlated = decode(report.xlated.as_deref().unwrap_or_default());
        self.counts.relaxed += case.widened(&xlated) as u64;
        if let Some(what) = case.misplaced(&sets, &xlated)? {
            return Ok((Fate::Different(what), said));
        }
        if case
            .program
            .rewritten
            .is_some_and(|len| case.program.too_far() == 0 && len != xlated.len())
        {
            let expected = case.program.rewritten;
            let what = format!("{} insns, not {expected:?}", xlated.len());
            return Ok((Fate::Different(what), said));
        }
        if let Some(what) = self.switched(case, &sets, prog.as_fd(), runs)? {
            return Ok((Fate::Different(what), said));
        }
        let after = bpf::report(prog.as_fd(), Detail::Full)?;
        if let Some(how) = difference(&case.program.insns, &report, &after) {
            let what = format!("before and after the switches: {how}");
            return Ok((Fate::Different(what), said));
        }
        drawn::clear(&spec, &mut report);
        if let Some((other, expected)) = &case.first {
            self.counts.compared += 1;
            if let Some(how) = difference(&case.program.insns, expected, &report) {
                return Ok((Fate::Different(format!("{other} and {mode}: {how}")), said));
            }
        } else {
            case.first = Some((mode, report));
        }
        Ok((Fate::Right { fallback: false }, said))
    }

    fn is_expected(&self, case: &Case, mode: Mode, fate: &Fate) -> bool {
        fate.is_expected(mode, case.program.too_far() > 0, FarExpect::Loaded)
    }

    fn coverage(&self) -> Value {
        let counts = &self.counts;
        let ways = counts.ways.iter().map(|(&flavour, [taken, passed])| {
            let ways = json!({ "taken": taken, "passed": passed });
            (Jump::Branch(flavour).name(), ways)
        });
        json!({
            "blinded": counts.blinded, "branches": counts.branches, "listed": counts.listed, "dead": counts.dead,
            "relaxed": counts.relaxed, "switches": counts.switches, "compared": counts.compared,
            "ways": Value::Object(ways.collect()),
        })
    }

    /// Branches of each flavour have to go both ways.
    fn missing(&self) -> Vec<String> {
        let both = |flavour| {
            let ways = self.counts.ways.get(flavour);
            ways.is_some_and(|ways| !ways.contains(&0))
        };
        let one_way = Flavour::ALL.iter().filter(|flavour| !both(flavour));
        one_way
            .map(|&flavour| Jump::Branch(flavour).name())
            .collect()
    }
}
