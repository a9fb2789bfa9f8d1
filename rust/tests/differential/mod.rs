// SPDX-License-Identifier: GPL-2.0

//! Random and exhaustive sessions, checked as in mode `verify` against the kernel's own functions,
//! and by what references reach.
//!
//! A case is a random program and a few sessions on it. A failure prints the parameters that run
//! it alone.

mod defects;
mod edits;
mod exhaustive;
mod far;
pub(crate) mod fixture;
mod hazards;
mod kill;
mod markers;
mod programs;
mod regressions;
mod rng;

use crate::{
    engine::log::Log,
    resched::must_abort,
    stats::STATS, //
};
use core::ops::Range;
use edits::Source;
use fixture::{
    Fixture,
    Params, //
};
use kernel::prelude::*;
use rng::Rng;

/// Sessions on one program at most.
const SESSIONS: u32 = 3;

/// What cases have come to.
#[derive(Default)]
struct Tally {
    sessions: u64,
    edits: u64,
    refused: u64,
    /// Jumps that were relaxed.
    relaxed: u64,
}

/// One session with random edits; `marked` tells whether all insns have marks. Returns false if the program is not to be edited any more.
///
/// # Errors
///
/// `EBADE` if the results differ; `EBADMSG` if a reference reaches something else.
fn session(
    rng: &mut Rng,
    fixture: &mut Fixture,
    marker: &mut u32,
    every: u32,
    marked: &mut bool,
    tally: &mut Tally,
) -> Result<bool> {
    let mut old = KVVec::new();
    old.extend_from_slice(fixture.insns(), GFP_KERNEL)?;
    let mut log = Log::new(old.len() as u32);

    // No pass removes insns when there are tail calls that are patched.
    let removes = fixture.poke(0).is_none() && rng.once_in(3);
    let mut source = Source {
        rng,
        program: fixture.program(),
        marker,
        every,
    };
    match removes {
        true => source.removals(&mut log)?,
        false => source.patches(&mut log)?,
    }

    tally.sessions += 1;
    tally.edits += log.edits().len() as u64;
    let relaxed = STATS.far_jumps.get();
    let result = fixture.session(&log)?;
    let relaxed = STATS.far_jumps.get() - relaxed;
    tally.relaxed += relaxed;
    match result {
        Ok(()) => {
            // What a relaxed jump is made of has no marks.
            *marked &= relaxed == 0;
            if !*marked {
                return Ok(true);
            }
        }
        // Both have refused it.
        Err(ERANGE) => {
            tally.refused += 1;
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    match markers::references_reach(&old, fixture.insns(), &log)? {
        true => Ok(true),
        false => Err(EBADMSG),
    }
}

fn case(seed: u64, lens: &Range<u32>, tally: &mut Tally) -> Result {
    let mut rng = Rng::new(seed);
    let len = lens.start + rng.below(lens.end - lens.start);
    let mut fixture = programs::random(&mut rng, len)?;
    let (mut marker, mut marked) = (len, true);
    for _ in 0..=rng.below(SESSIONS) {
        fixture.relax_far_jumps(rng.once_in(2));
        // A few edits of a long program: without a session each takes milliseconds.
        let every = 1 + rng.below(12.max(len / 6));
        if !session(
            &mut rng,
            &mut fixture,
            &mut marker,
            every,
            &mut marked,
            tally,
        )? {
            break;
        }
    }
    Ok(())
}

/// Runs cases of programs that are `lens` long until there were `sessions`.
fn cases(name: &str, sessions: u64, lens: Range<u32>) -> Result {
    let params = Params::get();
    let mut tally = Tally::default();
    let mut number = params.case.unwrap_or(0);
    let mut progress = 0;
    while tally.sessions < sessions {
        // Far apart, so that cases of neighbouring seeds are others.
        let seed = params.seed.rotate_left(32) ^ number;
        case(seed, &lens, &mut tally).inspect_err(|error| {
            pr_err!(
                "{name}: {error:?} in case {number}; bpf_patcher.test_seed={} \
                 bpf_patcher.test_case={number} runs it alone\n",
                params.seed
            );
        })?;
        if params.case.is_some() {
            break;
        }
        number += 1;
        must_abort();
        if tally.sessions / 1_000_000 > progress {
            progress = tally.sessions / 1_000_000;
            pr_info!("{name}: {} sessions so far\n", tally.sessions);
        }
    }
    pr_info!(
        "{name}: seed {}, {} programs, {} sessions, {} edits, {} refused, {} jumps relaxed, no difference\n",
        params.seed,
        number,
        tally.sessions,
        tally.edits,
        tally.refused,
        tally.relaxed
    );
    Ok(())
}

#[kunit_tests(bpf_patcher_differential)]
mod tests {
    use super::*;

    #[test]
    fn random_small_programs() -> Result {
        cases("small", Params::get().sessions, 1..40)
    }

    #[test]
    fn random_medium_programs() -> Result {
        cases("medium", Params::get().sessions / 100, 40..600)
    }

    #[test]
    fn random_programs_near_16_bits() -> Result {
        cases(
            "near 16 bits",
            Params::get().sessions / 10_000,
            32_500..33_500,
        )
    }

    #[test]
    fn every_combination_of_edits_and_jumps() -> Result {
        exhaustive::every_combination()
    }
}
