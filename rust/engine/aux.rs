// SPDX-License-Identifier: GPL-2.0

//! Auxiliary data, what the verifier knows about each insn: `adjust_insn_aux_data()` for all edits
//! of a session.
//!
//! The entry of an edited insn goes to the last insn of its group, which stands for the old one.
//! Only its `indirect_target` goes to the first that jumps do not skip. The other insns of the group
//! have been seen if the old one was, and know nothing else. Whether an insn zero-extends is found out
//! anew for each of the group.
//!
//! Entries have 136 bytes each, and move once, in place: from the end where the program grows, from
//! the front where it shrinks.

use super::{
    abi::{
        self,
        Insn,
        InsnAux, //
    },
    host::{
        Host,
        Pauses, //
    },
    layout::Layout,
    shift, //
};

/// Lets each insn of the new program `insns` have its entry. `entries` are those of the old program,
/// with room for the longer of both.
///
/// # Panics
///
/// If `entries` or `insns` is shorter than that.
///
/// Proof: `AuxData` in `proof/aux.dfy`, `AuxDataShrunk` in `proof/removed.dfy`.
pub(crate) fn rewrite(
    entries: &mut [InsnAux],
    insns: &[Insn],
    layout: &Layout<'_>,
    host: &mut impl Host,
) {
    let mut pauses = Pauses::new(host);
    if layout.grows {
        expand(entries, insns, layout, &mut pauses);
    } else if layout.shrinks {
        shift::together(entries, layout, &mut pauses, |_, _, _| {});
    } else {
        // Each edited insn has become one insn.
        for edit in layout.log().edits() {
            let idx = edit.idx as usize;
            entries[idx].zext_dst = pauses.host.zero_extends(&insns[idx]);
        }
    }
}

fn expand(
    entries: &mut [InsnAux],
    insns: &[Insn],
    layout: &Layout<'_>,
    pauses: &mut Pauses<'_, impl Host>,
) {
    let (mut to, mut end) = (layout.new_len(), layout.old_len());
    for group in layout.log().groups_from_end() {
        let kept = group.end()..end;
        end = group.idx();
        to -= kept.end - kept.start;
        shift::apart(entries, kept, to, pauses, |_, _, _| {});
        to -= group.new_len();
        let (from, first) = (group.idx() as usize, to as usize);
        let last = first + group.new_len() as usize - 1;
        let seen = entries[from].seen;
        let is_target = entries[from].indirect_target();
        // As a whole, with what is between the fields.
        shift::copy(entries, from..from + 1, last);
        for (entry, insn) in entries[first..last].iter_mut().zip(&insns[first..]) {
            abi::clear(entry);
            entry.seen = seen;
            entry.zext_dst = pauses.host.zero_extends(insn);
        }
        let old = &mut entries[last];
        old.zext_dst = pauses.host.zero_extends(&insns[last]);
        if is_target != 0 {
            old.set_indirect_target(0);
            entries[first + group.skipped_len() as usize].set_indirect_target(is_target);
        }
        pauses.count(group.new_len() as usize);
    }
}
