// SPDX-License-Identifier: GPL-2.0

//! Jumps that 16 bits do not reach any more, and the insn that is to blame: what the KUnit suites
//! leave to the fuzzer.

use crate::{
    abi::{self, Insn},
    jumps,
    layout::Layout,
    log::{Kind, Log},
};

const MAX: i16 = i16::MAX;

/// `goto off`
fn ja(off: i16) -> Insn {
    Insn {
        code: (abi::JMP | abi::JA) as u8,
        off,
        ..Default::default()
    }
}

/// The insn that is to blame after these edits of a program that begins with `insns`.
fn blamed(insns: &[Insn], edits: &[(Kind, u32, &[Insn])]) -> Option<u32> {
    let mut program = insns.to_vec();
    program.resize(40_000, Insn::default());
    let mut log = Log::new(program.len() as u32);
    for &(kind, idx, patch) in edits {
        // Jumps skip what is put in front of the first insn, as they do a prologue.
        let flags = if idx == 0 { abi::F_JUMPS_BEHIND } else { 0 };
        log.record(kind, idx, patch.len() as u32, patch, flags as u8)
            .expect("a valid edit");
    }
    let layout = Layout::new(&log).expect("memory");
    let result = jumps::check(&program, &layout, &log);
    result.err().map(|too_far| too_far.idx)
}

#[test]
fn jump_to_the_next_insn_in_place_of_which_many_come() {
    // It is gone before it would have to reach behind them.
    let many = vec![Insn::default(); 32_769];
    assert_eq!(blamed(&[ja(0)], &[(Kind::Replace, 0, &many)]), None);
}

#[test]
fn jump_in_front_of_an_insn_that_is_patched_again() {
    let two = [Insn::default(); 2];
    let first = [ja(MAX - 1)];
    let edits = [
        (Kind::Prepend, 3, &first[..]),
        (Kind::Prepend, 3, &two),
        (Kind::Replace, 9, &two),
    ];
    assert_eq!(blamed(&[], &edits), Some(3));
}

#[test]
fn jump_in_front_of_an_insn_that_is_replaced() {
    let two = [Insn::default(); 2];
    let three = [Insn::default(); 3];
    // Of 3 there is room for, the replacement takes 2 and insn 7 takes 1.
    let first = [ja(MAX - 3)];
    let edits = [
        (Kind::Prepend, 3, &first[..]),
        (Kind::Replace, 3, &three),
        (Kind::Replace, 7, &two),
        (Kind::Replace, 11, &two),
        (Kind::Replace, 20, &two),
    ];
    assert_eq!(blamed(&[], &edits), Some(11));
    assert_eq!(blamed(&[], &edits[..3]), None);
}

#[test]
fn jump_to_a_prologue_that_it_will_skip() {
    let three = [Insn::default(); 3];
    let many = [Insn::default(); 9];
    let mut insns = vec![Insn::default(); 32_761];
    insns[32_760] = ja(-32_761);
    let prologue = (Kind::Prepend, 0, &three[..]);
    // It has to reach in front of the prologue as long as nothing else is there.
    assert_eq!(
        blamed(&insns, &[prologue, (Kind::Replace, 5, &many[..8])]),
        None
    );
    assert_eq!(
        blamed(&insns, &[prologue, (Kind::Replace, 5, &many)]),
        Some(5)
    );
    assert_eq!(blamed(&insns, &[(Kind::Prepend, 0, &many)]), Some(0));
}
