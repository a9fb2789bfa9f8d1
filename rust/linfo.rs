// SPDX-License-Identifier: GPL-2.0

//! Line info, an array that ascends by `insn_off`: `bpf_adj_linfo()` and
//! `bpf_adj_linfo_after_remove()` for all edits of a session.
//!
//! An entry moves with its insn, to the first insn of the group. Those of removed insns go, but
//! for the last of a run: if the insn behind the run has none of its own, it inherits that one.

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
    // An insn that stays and its removed neighbours in front share one place in the table.
    let heir = layout.start(off);
    heir != layout.new_len()
        && linfo
            .get(i + 1)
            .is_none_or(|next| layout.start(next.insn_off) != heir)
}

/// Sets the `linfo_idx` of `subprogs` to where the entry will be, counting those in front that
/// stay. `linfo` is still the old one. Must come before [`rewrite`].
pub(crate) fn adjust_subprogs(subprogs: &mut [Subprog], linfo: &[LineInfo], layout: &Layout<'_>) {
    if !layout.shrinks || linfo.is_empty() {
        return;
    }
    let (mut i, mut staying) = (0, 0);
    for subprog in subprogs {
        // Ascends but for the entry behind the last subprog, which has none.
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
pub(crate) fn rewrite(linfo: &mut [LineInfo], layout: &Layout<'_>) -> u32 {
    let mut to = 0;
    for from in 0..linfo.len() {
        if layout.shrinks && !stays(linfo, from, layout) {
            continue;
        }
        let mut entry = linfo[from];
        entry.insn_off = layout.start(entry.insn_off);
        linfo[to] = entry;
        to += 1;
    }
    // No more than there were, which is a u32.
    to as u32
}
