// SPDX-License-Identifier: GPL-2.0

//! Draws which long jumps a program has.

use super::body::Filler;
use super::function::{Head, Long, Plan, Way};
use super::kinds::{Compare, Kind};
use super::length::Rewriting;
use crate::programs::generator::rng::Rng;

/// As far as a jump forward can lead.
const REACH: usize = 32_767;
/// Insns that a jump leads over as it is written, at most: not all are filler.
const WRITTEN: usize = 31_500;
/// As far as a jump leads at most.
const FURTHEST: usize = 80_000;
/// The same if there are to be few edits.
const WRITTEN_FEW: usize = 32_300;
const FURTHEST_FEW: usize = 33_500;

/// How far jumps of a program lead.
#[derive(Clone, Copy)]
enum Lengths {
    /// All fit.
    Within,
    /// Around the limit.
    Around,
    /// Some beyond the limit, and far.
    Beyond,
}

/// The plans of a program's functions, of which the first is the main one.
pub fn draw(rng: &mut Rng, how: Rewriting, few_edits: bool) -> Vec<Plan> {
    let lengths = match rng.below(10) {
        0..=3 => Lengths::Within,
        4..=7 => Lengths::Around,
        _ => Lengths::Beyond,
    };
    let two = rng.percent(30);
    // Of two functions one has long jumps, or both have.
    let one_is_short = few_edits || rng.percent(67);
    let program = Drawn {
        how,
        lengths,
        few_edits,
    };
    let main_is_short = two && one_is_short && rng.percent(50);
    let sub_is_short = two && one_is_short && !main_is_short;
    let call = two.then(|| rng.percent(50));
    let mut plans = vec![function(rng, program, true, main_is_short, call)];
    if two {
        plans.push(function(rng, program, false, sub_is_short, None));
    }
    plans
}

/// What the functions of a program have in common.
#[derive(Clone, Copy)]
struct Drawn {
    how: Rewriting,
    lengths: Lengths,
    /// Stock's functions need time for each edit.
    few_edits: bool,
}

fn function(rng: &mut Rng, program: Drawn, main: bool, short: bool, call: Option<bool>) -> Plan {
    let Drawn {
        how,
        lengths,
        few_edits,
    } = program;
    // Programs of divisions are shorter, and verified sooner.
    let filler = match rng.below(16) {
        _ if few_edits => Filler::Divisions,
        0 => Filler::Loads,
        1 => Filler::Both,
        _ => Filler::Divisions,
    };
    let growth = filler.growth(how);
    let written = if few_edits { WRITTEN_FEW } else { WRITTEN };
    let most = WRITTEN * growth / 100 / 100 * 95;
    let most = most.min(if few_edits { FURTHEST_FEW } else { FURTHEST });
    let mut longs = if short {
        Vec::new()
    } else {
        jumps(rng, program, main, most)
    };
    let head = match rng.below(4) {
        0 if short => Head::Plain,
        0 if main => Head::Around(rng.pick(&[Kind::Ja, Kind::Gotol])),
        0 | 1 if !main => Head::Compare(Compare::draw(rng)),
        1 => Head::Aside(Kind::MayGoto),
        _ => Head::Plain,
    };
    // The first insn comes before a function can tell what it is compared with.
    longs.sort_by_key(|long| long.from);
    let head_span = if short {
        rng.below(200)
    } else {
        span(rng, lengths, most)
    };
    let longest = longs.iter().map(|long| long.from + long.span).max();
    let longest = longest.unwrap_or(0).max(head_span) * 100;
    // Short programs are verified sooner.
    let least = (longest / written).clamp(101, growth);
    let mean = match rng.below(10) {
        _ if few_edits => least,
        0..=8 => growth,
        _ => least + rng.below(growth - least + 1),
    };
    Plan {
        longs,
        extras: Vec::new(),
        head,
        head_span,
        rounds: if few_edits || rng.percent(75) { 2 } else { 3 },
        density: ((mean - 100) * 1_000 / (growth - 100)) as u32,
        filler,
        main,
        call,
    }
}

/// How far a jump leads.
fn span(rng: &mut Rng, lengths: Lengths, most: usize) -> usize {
    let near = match lengths {
        // Other jumps and targets may come in between.
        Lengths::Within => return REACH - 2 - rng.below(40),
        Lengths::Around => REACH - 3 + rng.below(6),
        Lengths::Beyond if rng.percent(50) => REACH + rng.below(most - REACH),
        Lengths::Beyond => REACH - 4 + rng.below(2_000),
    };
    near.min(most)
}

fn jumps(rng: &mut Rng, program: Drawn, main: bool, most: usize) -> Vec<Long> {
    let few_edits = program.few_edits;
    let long = |rng: &mut Rng, from, way| Long {
        from,
        span: span(rng, program.lengths, most),
        kind: Kind::draw(rng),
        way,
    };
    match rng.below(10) {
        // Each is over the start of the next: what one grows by is what another needs.
        0..=3 => {
            let step = rng.range(20, if few_edits { 40 } else { 400 }) as usize;
            let count = 3 + rng.below(10);
            let chain = |at| long(rng, at * step, Way::Forward);
            (0..count).map(chain).collect()
        }
        // One or more to the same place, and perhaps the last insn.
        4 | 5 => {
            let to_last = long(rng, 200, Way::ToLast);
            let mut longs = vec![long(rng, 0, Way::Forward), to_last];
            for at in 1..=rng.below(3) {
                let first = longs[0];
                longs.push(Long {
                    from: at * 100,
                    span: first.span.saturating_sub(at * 100),
                    ..long(rng, 0, Way::Forward)
                });
            }
            longs
        }
        // Loops.
        6 | 7 => {
            let way = if main || rng.percent(50) {
                Way::Backward
            } else {
                Way::ToFirst
            };
            let mut longs = vec![long(rng, 0, way)];
            for _ in 0..rng.below(3) {
                let from = rng.below(if few_edits { 500 } else { 30_000 });
                longs.push(long(rng, from, Way::Forward));
            }
            longs
        }
        _ => {
            let mut longs = vec![long(rng, 0, Way::Forward)];
            for _ in 0..rng.below(3) {
                let from = rng.below(if few_edits { 500 } else { 20_000 });
                longs.push(long(rng, from, Way::Forward));
            }
            longs
        }
    }
}
