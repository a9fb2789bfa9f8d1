// SPDX-License-Identifier: GPL-2.0

//! What became of the programs so far, and what they consisted of.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{json, Map, Value};

use super::Event;
use crate::bpf::insn::{Insn, MAY_GOTO};
use crate::generator::combined::{Ingredients, Program};
use crate::kernel::mode::Mode;

/// For each program that is refused for no jump, so many have to be loaded.
const ACCEPTED: u64 = 50;
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

/// What became of a program in a mode.
pub enum Fate {
    Right,
    Different(String),
    /// Refused as a jump does not fit.
    TooFar,
    /// Refused for another reason.
    Refused(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Right => f.write_str("right"),
            Fate::Different(how) => f.write_str(how),
            Fate::TooFar => f.write_str("refused, as a jump does not fit"),
            Fate::Refused(err) => write!(f, "refused: {err}"),
        }
    }
}

/// Numbers of a mode.
#[derive(Default)]
struct Numbers {
    loaded: u64,
    too_far: u64,
    refused: u64,
    different: u64,
    took: Duration,
    longest: Duration,
}

#[derive(Default)]
pub struct Tally {
    pub programs: u64,
    insns: u64,
    pub runs: u64,
    /// Short programs that were refused as a jump does not fit.
    short_too_far: u64,
    pub reasons: BTreeMap<String, u64>,
    pub ingredients: Ingredients,
    modes: BTreeMap<&'static str, Numbers>,
    /// Insns that the verifier went through.
    pub verified: u64,
}

impl Tally {
    pub fn add(&mut self, program: &Program) {
        self.programs += 1;
        self.insns += program.insns.len() as u64;
        for (&name, &count) in &program.ingredients.0 {
            self.ingredients.count(name, count);
        }
    }

    /// What happened in a run.
    pub fn seen(&mut self, insn: Insn, event: Event) {
        match event {
            Event::Jump(_) if insn.code == MAY_GOTO => {}
            Event::Jump(true) => self.ingredients.add("taken"),
            Event::Jump(false) => self.ingredients.add("passed"),
            Event::TailCall(true) => self.ingredients.add("tail_call_made"),
            Event::TailCall(false) => self.ingredients.add("tail_call_missed"),
            Event::Gotox => self.ingredients.add("went_by_gotox"),
            Event::Round => self.ingredients.add("rounds"),
        }
    }

    pub fn loaded(&mut self, mode: Mode, program: &Program, fate: &Fate, took: Duration) {
        let numbers = self.modes.entry(mode.name()).or_default();
        numbers.took += took;
        numbers.longest = numbers.longest.max(took);
        match fate {
            Fate::Right => numbers.loaded += 1,
            Fate::Different(_) => {
                numbers.loaded += 1;
                numbers.different += 1;
            }
            Fate::TooFar => {
                numbers.too_far += 1;
                self.short_too_far += u64::from(!program.profile.long);
            }
            Fate::Refused(reason) => {
                numbers.refused += 1;
                *self.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
    }

    fn sum(&self, of: impl Fn(&Numbers) -> u64) -> u64 {
        self.modes.values().map(of).sum()
    }

    /// No program differs, and nearly all programs were loaded, but for long ones.
    pub fn is_good(&self) -> bool {
        let (loaded, refused) = (self.sum(|of| of.loaded), self.sum(|of| of.refused));
        self.sum(|of| of.different) == 0
            && self.short_too_far == 0
            && self.runs > 0
            && refused * ACCEPTED <= loaded
    }

    /// What no program had.
    pub fn missing(&self) -> Vec<&'static str> {
        let has = |name: &&'static str| self.ingredients.0.contains_key(name);
        ALL.into_iter().filter(|name| !has(name)).collect()
    }

    pub fn progress(&self, elapsed: Duration) -> String {
        let (refused, too_far) = (self.sum(|of| of.refused), self.sum(|of| of.too_far));
        format!(
            "{} programs, {too_far} loads refused for far jumps, {refused} for something else, {} runs, {} \
             differences, {:.1} s",
            self.programs,
            self.runs,
            self.sum(|of| of.different),
            elapsed.as_secs_f64()
        )
    }

    pub fn summary(&self, elapsed: Duration) -> Map<String, Value> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let mut modes = Map::new();
        for (&name, numbers) in &self.modes {
            let json = json!({
                "loaded": numbers.loaded, "too_far": numbers.too_far, "refused": numbers.refused,
                "different": numbers.different, "longest_ms": ms(numbers.longest),
                "ms": ms(numbers.took) / self.programs.max(1) as f64,
            });
            modes.insert(name.to_owned(), json);
        }
        Map::from_iter([
            ("programs".to_owned(), json!(self.programs)),
            ("loaded".to_owned(), json!(self.sum(|of| of.loaded))),
            ("too_far".to_owned(), json!(self.sum(|of| of.too_far))),
            ("refused".to_owned(), json!(self.sum(|of| of.refused))),
            ("runs".to_owned(), json!(self.runs)),
            ("differences".to_owned(), json!(self.sum(|of| of.different))),
            ("insns".to_owned(), json!(self.insns / self.programs.max(1))),
            (
                "verified_insns".to_owned(),
                json!(self.verified / self.programs.max(1)),
            ),
            ("modes".to_owned(), Value::Object(modes)),
            ("seconds".to_owned(), json!(elapsed.as_secs_f64())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{holds, run_all};

    /// What the short run of `selftests/vm/suites/loader.sh` has, which only lacks a verifier here.
    #[test]
    fn all_is_there() {
        let mut tally = Tally::default();
        for number in 0..200 {
            let program = Program::new(1, number, 40);
            for run in Program::runs(1, number, 4) {
                let seen = &mut |at, event| tally.seen(program.insns[at], event);
                let output = run_all(&program.insns, &run.input(&program), holds, seen);
                assert!(output.is_ok(), "program {number}: {:?}", output.err());
            }
            tally.add(&program);
        }
        assert_eq!(tally.missing(), ["barriers"]);
    }
}
