// SPDX-License-Identifier: GPL-2.0

//! What became of the programs so far.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{json, Map, Value};

use super::coverage::Coverage;
use crate::args::FarExpect;
use crate::generator::far::Program;
use crate::kernel::mode::Mode;

/// What became of a program in a mode.
pub enum Fate {
    /// It returned what it has to.
    Right {
        /// The JIT did not take it, for instance as it could not be blinded.
        fallback: bool,
    },
    Different(String),
    /// Refused as a jump does not fit.
    TooFar,
    /// Refused for another reason.
    Refused(String),
}

impl Fate {
    /// Is that what has to come of a program, if it has a jump that is too far or if it has none?
    pub fn is_expected(&self, mode: Mode, too_far: bool, far: FarExpect) -> bool {
        let far = match (too_far, mode) {
            (false, _) => FarExpect::Loaded,
            (true, Mode::Stock) => FarExpect::Refused,
            (true, _) => far,
        };
        match self {
            Fate::Right { fallback: false } => far != FarExpect::Refused,
            Fate::Right { fallback: true } | Fate::TooFar => far != FarExpect::Loaded,
            Fate::Different(_) | Fate::Refused(_) => false,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Right { fallback: false } => f.write_str("right"),
            Fate::Right { fallback: true } => {
                f.write_str("right, interpreted in place of compiled")
            }
            Fate::Different(how) => f.write_str(how),
            Fate::TooFar => f.write_str("refused, as a jump does not fit"),
            Fate::Refused(err) => write!(f, "refused: {err}"),
        }
    }
}

/// Numbers of a mode.
#[derive(Default)]
struct Numbers {
    /// Of programs whose jumps all fit, and of those with one that does not.
    near: Fates,
    far: Fates,
    took: Duration,
    longest: Duration,
}

#[derive(Default)]
struct Fates {
    loaded: u64,
    /// Of those loaded: interpreted in place of compiled.
    fallback: u64,
    too_far: u64,
    different: u64,
    failed: u64,
}

#[derive(Default)]
pub struct Tally {
    pub programs: u64,
    pub far: u64,
    pub insns: u64,
    /// Insns that the verifier went through.
    processed: u64,
    pub runs: u64,
    pub different_runs: u64,
    /// Loads that did not come to what they should.
    pub unexpected: u64,
    /// Time to run programs in the kernel, and here.
    pub ran: Duration,
    pub interpreted: Duration,
    modes: BTreeMap<&'static str, Numbers>,
}

impl Tally {
    pub fn add(&mut self, program: &Program, coverage: &mut Coverage) {
        coverage.add(program);
        self.programs += 1;
        self.far += u64::from(program.too_far() > 0);
        self.insns += program.insns.len() as u64;
    }

    pub fn loaded(
        &mut self,
        mode: Mode,
        program: &Program,
        fate: &Fate,
        took: Duration,
        said: &str,
    ) {
        self.processed += processed(said);
        let numbers = self.modes.entry(mode.name()).or_default();
        numbers.took += took;
        numbers.longest = numbers.longest.max(took);
        let fates = if program.too_far() > 0 {
            &mut numbers.far
        } else {
            &mut numbers.near
        };
        match fate {
            &Fate::Right { fallback } => {
                fates.loaded += 1;
                fates.fallback += u64::from(fallback);
            }
            Fate::Different(_) => {
                fates.loaded += 1;
                fates.different += 1;
            }
            Fate::TooFar => fates.too_far += 1,
            Fate::Refused(_) => fates.failed += 1,
        }
    }

    /// No run differs, each program was loaded or refused as it should be, and something was run.
    pub fn is_good(&self) -> bool {
        self.different_runs == 0 && self.unexpected == 0 && self.runs > 0
    }

    pub fn progress(&self, elapsed: Duration) -> String {
        let Self {
            programs,
            far,
            runs,
            different_runs,
            ..
        } = self;
        let refused: u64 = self.modes.values().map(|numbers| numbers.far.too_far).sum();
        let seconds = elapsed.as_secs_f64();
        format!(
            "{programs} programs, {far} with far jumps, {refused} loads refused for them, {runs} runs, \
             {different_runs} differences, {seconds:.1} s"
        )
    }

    pub fn summary(&self, modes: &[Mode], elapsed: Duration) -> Map<String, Value> {
        let loads = (self.programs * modes.len() as u64).max(1);
        let ms = |time: Duration, of: u64| time.as_secs_f64() * 1e3 / of.max(1) as f64;
        let mut of_modes = Map::new();
        let (mut loaded, mut refused, mut failed) = (0, 0, 0);
        for (&name, numbers) in &self.modes {
            let Numbers { near, far, .. } = numbers;
            loaded += near.loaded + far.loaded;
            refused += near.too_far + far.too_far;
            failed += near.failed + far.failed;
            let json = json!({
                "loaded": near.loaded, "near_refused": near.too_far,
                "far_loaded": far.loaded, "far_fallback": far.fallback, "far_refused": far.too_far,
                "failed": near.failed + far.failed, "different": near.different + far.different,
                "load_ms": ms(numbers.took, self.programs), "longest_ms": ms(numbers.longest, 1),
            });
            of_modes.insert(name.to_owned(), json);
        }
        Map::from_iter([
            ("programs".to_owned(), json!(self.programs)),
            ("with_far_jumps".to_owned(), json!(self.far)),
            ("loaded".to_owned(), json!(loaded)),
            ("refused".to_owned(), json!(refused)),
            ("failed".to_owned(), json!(failed)),
            ("runs".to_owned(), json!(self.runs)),
            ("differences".to_owned(), json!(self.different_runs)),
            ("unexpected".to_owned(), json!(self.unexpected)),
            ("insns".to_owned(), json!(self.insns / self.programs.max(1))),
            ("verified_insns".to_owned(), json!(self.processed / loads)),
            ("run_ms".to_owned(), json!(ms(self.ran, self.runs))),
            (
                "interpret_ms".to_owned(),
                json!(ms(self.interpreted, self.programs)),
            ),
            ("modes".to_owned(), Value::Object(of_modes)),
            ("ms".to_owned(), json!(ms(elapsed, self.programs))),
            ("seconds".to_owned(), json!(elapsed.as_secs_f64())),
        ])
    }
}

/// Insns that the verifier went through, as it says.
pub fn processed(said: &str) -> u64 {
    let mut words = said
        .split_ascii_whitespace()
        .skip_while(|&word| word != "processed");
    words
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected() {
        use FarExpect::{Any, Loaded, Refused};
        let right = |fallback| Fate::Right { fallback };
        let is = |fate: &Fate, mode, too_far| {
            [Any, Refused, Loaded].map(|far| fate.is_expected(mode, too_far, far))
        };
        assert_eq!(is(&right(false), Mode::Patcher, false), [true; 3]);
        assert_eq!(is(&Fate::TooFar, Mode::Patcher, false), [false; 3]);
        assert_eq!(is(&right(true), Mode::Patcher, false), [false; 3]);
        assert_eq!(is(&right(false), Mode::Patcher, true), [true, false, true]);
        assert_eq!(is(&Fate::TooFar, Mode::Verify, true), [true, true, false]);
        assert_eq!(is(&right(true), Mode::Patcher, true), [true, true, false]);
        assert_eq!(is(&Fate::TooFar, Mode::Stock, true), [true; 3]);
        assert_eq!(is(&right(false), Mode::Stock, true), [false; 3]);
        let other = Fate::Refused(String::new());
        assert_eq!(is(&other, Mode::Patcher, true), [false; 3]);
    }

    #[test]
    fn what_the_verifier_says() {
        let said = "verification time 7 usec\nprocessed 42 insns (limit 1000000)";
        assert_eq!(processed(said), 42);
        assert_eq!(processed(""), 0);
    }
}
