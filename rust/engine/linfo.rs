// SPDX-License-Identifier: GPL-2.0

//! Line info, an array that ascends by `insn_off`: `bpf_adj_linfo()` and
//! `bpf_adj_linfo_after_remove()` for all edits of a session.
//!
//! An entry moves with its insn, to the first insn of the group. The entries of removed insns go,
//! except the last one of a run: the next insn that stays takes it, if it has none of its own.

use super::{
    abi::{
        LineInfo,
        Subprog, //
    },
    layout::Layout, //
};

/// Does entry `i` stay?
fn stays(linfo: &[LineInfo], i: usize, layout: &Layout<'_>) -> bool {
    let off = linfo[i].insn_off;
    if !layout.is_removed(off) {
        return true;
    }
    // The next insn that stays and all that is removed in front of it share one place in the table.
    let place = layout.start(off);
    place != layout.new_len()
        && linfo
            .get(i + 1)
            .is_none_or(|next| layout.start(next.insn_off) != place)
}

/// Sets the `linfo_idx` of `subprogs` to where the entry will be: the number of those in front that
/// stay. `linfo` is still the old one, so that this comes before [`rewrite`].
///
/// Proof: `LineInfoIdx` in `proof/removed.dfy`.
pub(crate) fn rewrite_idx(subprogs: &mut [Subprog], linfo: &[LineInfo], layout: &Layout<'_>) {
    if !layout.shrinks || linfo.is_empty() {
        return;
    }
    let (mut i, mut staying) = (0, 0);
    for subprog in subprogs {
        // Ascends, except in the entry behind the last subprog, which has no line info.
        if (subprog.linfo_idx as usize) < i {
            (i, staying) = (0, 0);
        }
        let end = linfo.len().min(subprog.linfo_idx as usize);
        while i < end {
            staying += u32::from(stays(linfo, i, layout));
            i += 1;
        }
        subprog.linfo_idx = staying;
    }
}

/// Moves the entries. Returns how many are left, at the front.
///
/// # Panics
///
/// If an entry is about an insn that the old program does not have.
///
/// Proof: `LineInfo` in `proof/positions.dfy`, `LineInfoShrunk` in `proof/removed.dfy`.
pub(crate) fn rewrite(linfo: &mut [LineInfo], layout: &Layout<'_>) -> u32 {
    let mut to = linfo.len();
    if layout.shrinks {
        to = 0;
        for from in 0..linfo.len() {
            if stays(linfo, from, layout) {
                linfo[to] = linfo[from];
                linfo[to].insn_off = layout.start(linfo[from].insn_off);
                to += 1;
            }
        }
    } else {
        for entry in linfo {
            entry.insn_off = layout.start(entry.insn_off);
        }
    }
    // No more than there were, which is a u32.
    to as u32
}
