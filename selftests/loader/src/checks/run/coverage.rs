// SPDX-License-Identifier: GPL-2.0

//! Which long jumps were there, and which way they went.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{json, Value};

use crate::programs::generator::far::{Kind, Program};

/// Numbers of a kind of jump.
#[derive(Default)]
struct Numbers {
    jumps: u64,
    too_far: u64,
    backward: u64,
    /// Of runs.
    taken: u64,
    passed: u64,
}

#[derive(Default)]
pub struct Coverage(BTreeMap<Kind, Numbers>);

impl Coverage {
    /// The jumps of a program.
    pub fn add(&mut self, program: &Program) {
        for &(kind, distance) in program.longs.values() {
            let numbers = self.0.entry(kind).or_default();
            numbers.jumps += 1;
            numbers.too_far += u64::from(i16::try_from(distance).is_err());
            numbers.backward += u64::from(distance < 0);
        }
    }

    /// What a jump did in a run.
    pub fn seen(&mut self, program: &Program, at: usize, taken: bool) {
        if let Some(&(kind, _)) = program.longs.get(&at) {
            let numbers = self.0.entry(kind).or_default();
            numbers.taken += u64::from(taken);
            numbers.passed += u64::from(!taken);
        }
    }

    /// Kinds of conditional jumps that were taken, and passed.
    pub fn both_ways(&self) -> usize {
        let both = |kind| {
            let numbers = self.0.get(&kind);
            numbers.is_some_and(|numbers| numbers.taken > 0 && numbers.passed > 0)
        };
        Kind::conditional().filter(|&kind| both(kind)).count()
    }

    /// Kinds of conditional jumps that there are.
    pub fn kinds(&self) -> usize {
        Kind::conditional().collect::<BTreeSet<_>>().len()
    }

    pub fn json(&self) -> Value {
        let row = |(kind, numbers): (&Kind, &Numbers)| {
            let of = json!({
                "jumps": numbers.jumps, "too_far": numbers.too_far, "backward": numbers.backward,
                "taken": numbers.taken, "passed": numbers.passed,
            });
            (kind.name(), of)
        };
        Value::Object(self.0.iter().map(row).collect())
    }
}
