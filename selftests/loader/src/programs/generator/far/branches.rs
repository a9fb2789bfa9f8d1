// SPDX-License-Identifier: GPL-2.0

//! Draws programs of static branches: short ones, with all between the branches that is rewritten, and a
//! few in which branches lead as far as 16 bits reach, or further.

use super::body::Filler;
use super::function::{Extra, Head, Long, Plan, Way};
use super::kinds::{Compare, Flavour, Kind};
use super::length::Rewriting;
use super::plan;
use crate::programs::generator::rng::Rng;

/// One program of so many has long jumps.
const LONG: usize = 12;
/// Most jumps of a function of a short program, and most of what is between them.
const JUMPS: usize = 7;
const EXTRAS: usize = 6;
/// Rewritten insns from the start of a short function to where its jumps start, and as far as they lead, at
/// most.
const FROM: usize = 150;
const SPAN: usize = 90;

/// The plans of a program's functions, of which the first is the main one.
pub fn draw(rng: &mut Rng, how: Rewriting) -> Vec<Plan> {
    if rng.below(LONG) == 0 {
        return long(rng, how);
    }
    let call = rng.percent(50).then(|| rng.percent(50));
    let mut plans = vec![short(rng, true, call)];
    if call.is_some() {
        plans.push(short(rng, false, None));
    }
    plans
}

/// Most of the long jumps are static branches. There are few edits, as all modes load these programs.
fn long(rng: &mut Rng, how: Rewriting) -> Vec<Plan> {
    let mut plans = plan::draw(rng, how, true);
    for long in plans.iter_mut().flat_map(|plan| &mut plan.longs) {
        if rng.percent(80) {
            long.kind = Kind::Branch(flavour(rng));
        }
    }
    plans
}

fn flavour(rng: &mut Rng) -> Flavour {
    rng.pick(&Flavour::ALL)
}

fn short(rng: &mut Rng, main: bool, call: Option<bool>) -> Plan {
    let jump = |rng: &mut Rng| Long {
        from: rng.below(FROM),
        span: rng.below(SPAN),
        kind: if rng.percent(85) {
            Kind::Branch(flavour(rng))
        } else {
            Kind::draw(rng)
        },
        way: match rng.below(8) {
            0 => Way::ToLast,
            1 => Way::Backward,
            2 if !main => Way::ToFirst,
            _ => Way::Forward,
        },
    };
    let extra = |rng: &mut Rng| {
        let extra = match rng.below(4) {
            0 | 1 => Extra::Helper,
            2 => Extra::Dead(flavour(rng)),
            _ => Extra::Next(flavour(rng)),
        };
        (rng.below(FROM + SPAN), extra)
    };
    let (jumps, extras) = (1 + rng.below(JUMPS), rng.below(EXTRAS));
    let mut longs: Vec<_> = (0..jumps).map(|_| jump(rng)).collect();
    // A second loop never goes round, as the verifier knows how many rounds are left: it would be dead.
    let loops = |long: &&mut Long| matches!(long.way, Way::Backward | Way::ToFirst);
    for long in longs.iter_mut().filter(loops).skip(1) {
        long.way = Way::Forward;
    }
    Plan {
        longs,
        extras: (0..extras).map(|_| extra(rng)).collect(),
        head: match rng.below(6) {
            0 | 1 => Head::Aside(Kind::Branch(flavour(rng))),
            2 => Head::Aside(Kind::MayGoto),
            3 if !main => Head::Compare(Compare::draw(rng)),
            _ => Head::Plain,
        },
        head_span: rng.below(SPAN),
        rounds: 2,
        density: 300,
        filler: rng.pick(&[Filler::Loads, Filler::Divisions, Filler::Both]),
        main,
        call,
    }
}
