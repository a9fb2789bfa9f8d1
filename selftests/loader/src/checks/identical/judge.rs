// SPDX-License-Identifier: GPL-2.0

//! Loads a program in several modes, and judges what they make of it.

use std::io;

use clap::ValueEnum;

use crate::bpf::{self, Detail};
use crate::checks::runner::{differs, Made, Runner};
use crate::kernel::far_jumps::Refused;
use crate::kernel::mode::Mode;
use crate::kernel::patience::Hurry;
use crate::kernel::stats::Stats;
use crate::programs::{Given, Origin};

/// What the verifier says of a jump that is too far, and of one that was made longer.
const TOO_FAR: &str = "cannot be patched due to 16-bit range";
const RELAXED: &str = "jump relaxed to 32 bits";

/// What a planted difference changes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    Xlated,
    LineInfo,
    FuncInfo,
    Edits,
}

impl Plant {
    fn spoil(self, made: &mut Made) {
        let flip_last = |bytes: &mut Vec<u8>| {
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
        };
        let Ok(report) = &mut made.result else {
            return;
        };
        match self {
            Plant::Xlated => report.xlated.iter_mut().for_each(flip_last),
            Plant::LineInfo => flip_last(&mut report.line_info.bytes),
            Plant::FuncInfo => flip_last(&mut report.func_info.bytes),
            Plant::Edits => made.stats = Stats::default(),
        }
    }
}

/// What became of a program.
pub enum Outcome {
    Loaded,
    /// Refused in each mode, for the same reason.
    Refused,
    /// Given up, as verifying took too long.
    Slow,
    Different(String),
}

/// Is what modes make of a program wrong, although they make the same of it?
fn wrong(given: &Given, all: &[(Mode, Made)]) -> Option<String> {
    if let Some(expected) = given.refused {
        let errno = all[0].1.errno();
        return (errno != Some(expected)).then(|| format!("is not at the edge: {errno:?}"));
    }
    let Ok(report) = &all[0].1.result else {
        let refused = format!("is refused: {}", all[0].1.said());
        return (!given.origin.may_be_refused()).then_some(refused);
    };
    let rewritten = report.insns != given.spec.insns.len();
    let missed = |(mode, made): &(Mode, Made)| {
        rewritten && *mode != Mode::Stock && made.stats.get("edits") == 0
    };
    match given.origin {
        Origin::Random => None,
        origin if origin.is_rewritten() && !rewritten => Some("is not rewritten".to_owned()),
        _ => all
            .iter()
            .any(missed)
            .then(|| "is not rewritten by the patcher".to_owned()),
    }
}

/// Loads programs in several modes.
pub struct Judge<'a> {
    pub runner: &'a mut Runner,
    pub modes: &'a [Mode],
    pub plant: Option<Plant>,
}

impl Judge<'_> {
    /// The modes to load a program in: twice in stock if there is no other.
    fn modes(&self, given: &Given) -> Vec<Mode> {
        let modes = match self.modes {
            [Mode::Stock] => &[Mode::Stock; 2],
            modes => modes,
        };
        let all = modes.iter().copied();
        all.filter(|&mode| given.origin.loads_in(mode)).collect()
    }

    /// What the verifier says of a program that is refused, in the mode that is set. It has to be the same in each if a
    /// jump is too far, and at the edges.
    fn words(given: &Given, made: &Made) -> Option<String> {
        let compared = made.errno() == Some(libc::ENOMEM) || given.refused.is_some();
        (made.result.is_err() && compared)
            .then(|| bpf::refusal(&given.spec))
            .flatten()
    }

    /// What is wrong with a program that is refused, in these words, as a jump is too far? Once it may be made longer,
    /// it has to load, and the log to tell.
    fn relaxes(&mut self, given: &Given, words: &str) -> io::Result<Option<String>> {
        if !words.contains(TOO_FAR) {
            return Ok(Some(format!("is refused otherwise: {words}")));
        }
        if !self.runner.switch.has_patcher() {
            return Ok(None);
        }
        self.runner.switch.set(Mode::Patcher)?;
        if let Err(err) = bpf::load(&given.spec) {
            return Ok(Some(format!("no jump is relaxed: {err}")));
        }
        let told = bpf::full_log(&given.spec).contains(RELAXED);
        Ok((!told).then(|| "the log tells of no relaxed jump".to_owned()))
    }

    /// What became of a program, and what modes make of it, up to the first one that differs: in mode verify, a
    /// difference may bring the kernel down.
    ///
    /// # Errors
    ///
    /// As for [`Runner::load`].
    pub fn outcome(&mut self, given: &Given) -> io::Result<(Outcome, Vec<(Mode, Made)>)> {
        // Stock does not make jumps longer.
        let refused = (given.origin == Origin::Edge)
            .then(Refused::now)
            .transpose()?;
        let is_random = given.origin == Origin::Random;
        let mut modes = self.modes(given);
        let mut all: Vec<(Mode, Made)> = Vec::new();
        let (mut words, mut text) = (None, None);
        while let (None, Some(&mode)) = (&text, modes.get(all.len())) {
            // What took no longer than allowed once may just do so the next time.
            let hurry = (is_random && all.is_empty())
                .then(Hurry::start)
                .transpose()?;
            let mut made = self.runner.load(mode, &given.spec, Detail::Small)?;
            drop(hurry);
            if let (Some(plant), true) = (self.plant, all.len() + 1 == modes.len()) {
                plant.spoil(&mut made);
            }
            let said = Self::words(given, &made);
            match all.first() {
                None if is_random && made.errno() == Some(libc::EAGAIN) => {
                    return Ok((Outcome::Slow, vec![(mode, made)]));
                }
                None => {
                    // Stock is asked, too.
                    if made.result.is_err() && !modes.contains(&Mode::Stock) {
                        modes.push(Mode::Stock);
                    }
                    words = said;
                }
                Some((first, other)) => {
                    let how = differs(&given.spec, other, &made);
                    let how =
                        how.or_else(|| (words != said).then(|| format!("{words:?} and {said:?}")));
                    text = how.map(|how| format!("{first} and {mode}: {how}"));
                }
            }
            let sessions = made.stats.get("verify_differences");
            if sessions > 0 {
                text = Some(format!("{sessions} sessions differ"));
            }
            all.push((mode, made));
        }
        drop(refused);
        let text = text.or_else(|| wrong(given, &all));
        let text = match (text, given.refused) {
            (None, Some(libc::ENOMEM)) => self.relaxes(given, &words.unwrap_or_default())?,
            (text, _) => text,
        };
        let outcome = match (text, &all[0].1.result) {
            (Some(text), _) => Outcome::Different(text),
            (None, Ok(_)) => Outcome::Loaded,
            (None, Err(_)) => Outcome::Refused,
        };
        Ok((outcome, all))
    }
}
