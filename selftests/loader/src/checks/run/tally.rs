// SPDX-License-Identifier: GPL-2.0

//! What became of the programs so far.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::{json, Map, Value};

use super::FarExpect;
use crate::bpf;
use crate::kernel::mode::Mode;

/// For each load that is refused for no jump, so many have to succeed.
const ACCEPTED: u64 = 50;

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
    /// Of a program that is refused with this error, and in these words.
    pub fn refused(err: &io::Error, said: &str) -> Self {
        match bpf::is_too_far(err, said) {
            true => Fate::TooFar,
            false => Fate::Refused(err.to_string()),
        }
    }

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

#[derive(Default)]
struct Fates {
    loaded: u64,
    /// Of those loaded: interpreted in place of compiled.
    fallback: u64,
    too_far: u64,
    different: u64,
    refused: u64,
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

impl Numbers {
    fn sum(&self, of: fn(&Fates) -> u64) -> u64 {
        of(&self.near) + of(&self.far)
    }
}

#[derive(Default)]
pub struct Tally {
    pub programs: u64,
    with_far_jumps: u64,
    insns: u64,
    /// Insns that the verifier went through.
    processed: u64,
    pub runs: u64,
    /// Loads that did not come to what they should.
    unexpected: u64,
    pub reasons: BTreeMap<String, u64>,
    modes: BTreeMap<&'static str, Numbers>,
}

impl Tally {
    pub fn add(&mut self, insns: usize, has_far_jump: bool) {
        self.programs += 1;
        self.with_far_jumps += u64::from(has_far_jump);
        self.insns += insns as u64;
    }

    pub fn loaded(
        &mut self,
        mode: Mode,
        has_far_jump: bool,
        fate: &Fate,
        expected: bool,
        took: Duration,
        said: &str,
    ) {
        self.processed += processed(said);
        self.unexpected += u64::from(!expected);
        let numbers = self.modes.entry(mode.name()).or_default();
        numbers.took += took;
        numbers.longest = numbers.longest.max(took);
        let fates = match has_far_jump {
            true => &mut numbers.far,
            false => &mut numbers.near,
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
            Fate::Refused(reason) => {
                fates.refused += 1;
                *self.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
    }

    fn sum(&self, of: fn(&Fates) -> u64) -> u64 {
        self.modes.values().map(|numbers| numbers.sum(of)).sum()
    }

    fn differences(&self) -> u64 {
        self.sum(|fates| fates.different)
    }

    /// No program differs, each was loaded or refused as it should be, nearly none is refused for no jump, and
    /// something was run.
    pub fn is_good(&self) -> bool {
        let (loaded, refused) = (self.sum(|of| of.loaded), self.sum(|of| of.refused));
        self.differences() == 0
            && self.unexpected == 0
            && refused * ACCEPTED <= loaded
            && self.runs > 0
    }

    pub fn said(&self) -> String {
        format!(
            "{} programs, {} with far jumps, {} loads refused for them, {} for something else, {} runs as written, {} \
             differences",
            self.programs,
            self.with_far_jumps,
            self.sum(|of| of.too_far),
            self.sum(|of| of.refused),
            self.runs,
            self.differences()
        )
    }

    pub fn summary(&self, seconds: f64) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let mean = |sum: u64| sum / self.programs.max(1);
        let of_mode = |(&name, numbers): (&&str, &Numbers)| {
            let Numbers { near, far, .. } = numbers;
            let json = json!({
                "loaded": near.loaded, "too_far": near.too_far,
                "far_loaded": far.loaded, "far_fallback": far.fallback, "far_too_far": far.too_far,
                "refused": numbers.sum(|of| of.refused), "different": numbers.sum(|of| of.different),
                "ms": ms(numbers.took) / self.programs.max(1) as f64, "longest_ms": ms(numbers.longest),
            });
            (name.to_owned(), json)
        };
        json!({
            "command": "run",
            "programs": self.programs,
            "with_far_jumps": self.with_far_jumps,
            "loaded": self.sum(|of| of.loaded),
            "too_far": self.sum(|of| of.too_far),
            "refused": self.sum(|of| of.refused),
            "runs": self.runs,
            "differences": self.differences(),
            "unexpected": self.unexpected,
            "insns": mean(self.insns),
            "verified_insns": mean(self.processed),
            "modes": self.modes.iter().map(of_mode).collect::<Map<_, _>>(),
            "seconds": seconds,
        })
    }
}

/// Insns that the verifier went through, as it says.
fn processed(said: &str) -> u64 {
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
