// SPDX-License-Identifier: GPL-2.0

//! A fixed number of random cases, and those of the fuzzer's corpus.

use crate::{check, random_bytes, Tally};

/// A few seconds of them, unless `RANDOM_CASES` says how many.
const CASES: u64 = 5_000;

fn cases() -> u64 {
    match std::env::var("RANDOM_CASES") {
        Ok(n) => n.parse().expect("RANDOM_CASES is a number"),
        Err(_) => CASES,
    }
}

#[test]
fn random() {
    let mut tally = Tally::default();
    for seed in 0..cases() {
        let bytes = random_bytes(seed);
        tally += std::panic::catch_unwind(|| check(&bytes))
            .unwrap_or_else(|_| panic!("random case {seed} differs"));
    }
    println!("{tally:?}");
    assert!(tally.invalid > 0, "{tally:?}");
}

#[test]
fn corpus() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    let mut tally = Tally::default();
    for entry in std::fs::read_dir(dir).expect("the corpus") {
        let path = entry.expect("a file of the corpus").path();
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        tally += std::panic::catch_unwind(|| check(&bytes))
            .unwrap_or_else(|_| panic!("{} differs", path.display()));
    }
    println!("{tally:?}");
    // Jumps that are too far are rare among random cases, and among these they are not.
    assert!(tally.invalid > 0 && tally.too_far > 0, "{tally:?}");
}
