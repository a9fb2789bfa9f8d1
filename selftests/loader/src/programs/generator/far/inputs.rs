// SPDX-License-Identifier: GPL-2.0

//! What a program is run on: numbers by which each of its conditions goes one way and the other.

use super::kinds::{Compare, Right, PAIRS};
use crate::bpf::insn::Cond;
use crate::programs::generator::rng::Rng;

/// A value for each pair.
pub type Values = [u64; PAIRS.len()];

/// So many inputs. Each is made for a few of the comparisons, which take turns.
pub fn draw(rng: &mut Rng, compares: &[Compare], count: usize) -> Vec<Values> {
    let mut order: Vec<usize> = (0..compares.len()).collect();
    rng.shuffle(&mut order);
    let mut turn = order.iter().copied().cycle();
    let mut input = || {
        let mut values = [None; PAIRS.len()];
        for at in turn.by_ref().take(PAIRS.len()) {
            settle(rng, &compares[at], &mut values);
        }
        values.map(|value| value.unwrap_or_else(|| rng.next()))
    };
    (0..count).map(|_| input()).collect()
}

/// Gives the pairs of a comparison values, unless they have some.
fn settle(rng: &mut Rng, compare: &Compare, values: &mut [Option<u64>; PAIRS.len()]) {
    let right = match compare.right {
        Right::Imm(imm) => i64::from(imm) as u64,
        Right::Value(value) => value,
        Right::Pair(pair) => *values[pair].get_or_insert_with(|| rng.imm() as i64 as u64),
    };
    // What is drawn is seldom equal by chance.
    let equal = matches!(compare.cond, Cond::Eq | Cond::Ne) && rng.percent(40);
    values[compare.left].get_or_insert_with(|| if equal { right } else { near(rng, right) });
}

/// A number that has something to do with another one.
fn near(rng: &mut Rng, of: u64) -> u64 {
    let upper = rng.next() << 32;
    match rng.below(10) {
        0..=2 => of,
        3 => of.wrapping_sub(1),
        4 => of.wrapping_add(1),
        // No bit of it.
        5 | 6 => !of & rng.next(),
        // Alike in the lower half alone.
        7 => upper | u64::from(of as u32),
        8 => of ^ 1 << rng.below(64),
        _ => upper | u64::from(rng.next() as u32),
    }
}
