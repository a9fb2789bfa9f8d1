// SPDX-License-Identifier: GPL-2.0

//! What is known of an insn that an edit adds: three bits, so that eight entries of aux data serve
//! all of them.

use super::abi::{
    Insn,
    InsnAux, //
};

/// Number of shared entries, the first of those added: one for each combination of the bits below.
pub(crate) const SHARED: u32 = 8;

pub(super) const SEEN: u32 = 1;
pub(super) const ZEXT: u32 = 2;
pub(super) const INDIRECT: u32 = 4;

/// Makes `entry`, which is zero, that of an added insn with these bits.
pub(crate) fn fill_added(entry: &mut InsnAux, bits: u32) {
    entry.seen = u32::from(bits & SEEN != 0);
    entry.zext_dst = bits & ZEXT != 0;
    entry.set_indirect_target(u32::from(bits & INDIRECT != 0));
}

/// Returns what an insn that is added to the group of an entry has of it.
pub(super) fn bits_of(entry: &InsnAux) -> u32 {
    let seen = if entry.seen != 0 { SEEN } else { 0 };
    let indirect = if entry.indirect_target() != 0 {
        INDIRECT
    } else {
        0
    };
    seen | indirect
}

pub(super) fn zext_bit(zero_extends: &impl Fn(&Insn) -> bool, insn: &Insn) -> u32 {
    if zero_extends(insn) {
        ZEXT
    } else {
        0
    }
}
