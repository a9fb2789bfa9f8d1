// SPDX-License-Identifier: GPL-2.0

//! The insns of the program, which move in place: together, or apart.

use super::{
    abi::Insn,
    host::{
        Host,
        Pauses, //
    },
    layout::Layout,
    relocate,
    shift, //
};
use core::ops::Range;

/// Turns the old program, the first `layout.old_len()` of `insns`, into the new one, with its
/// references.
///
/// # Panics
///
/// If `insns` is shorter than the longer of the old and the new program.
///
/// Proof: `Same` in `proof/same.dfy`, `SameShrunk` in `proof/shrink.dfy`.
pub(crate) fn rewrite(insns: &mut [Insn], layout: &Layout<'_>, host: &mut impl Host) {
    let mut pauses = Pauses::new(host);
    // While an insn is at hand, its reference is set.
    let relocate = |insns: &mut [Insn], old: Range<u32>, to| relocate::kept(insns, layout, old, to);
    if layout.grows {
        expand(insns, layout, &mut pauses, relocate);
    } else if layout.shrinks {
        shift::together(insns, layout, &mut pauses, relocate);
    } else {
        replace(insns, layout);
    }
}

/// Makes room for what is added and puts it there, from the end.
fn expand(
    insns: &mut [Insn],
    layout: &Layout<'_>,
    pauses: &mut Pauses<'_, impl Host>,
    relocate: impl Fn(&mut [Insn], Range<u32>, u32),
) {
    let log = layout.log();
    let mut to = layout.new_len();
    let mut end = layout.old_len();

    for edit in log.edits().iter().rev() {
        let kept = edit.rest()..end;
        if !kept.is_empty() {
            to -= kept.end - kept.start;
            shift::apart(insns, kept, to, pauses, &relocate);
        }
        end = edit.idx;
        let patch = log.patch(edit);
        to -= edit.len();
        // Most have two to five insns, for which this is quicker than to call memcpy().
        for (insn, new) in insns[to as usize..][..patch.len()].iter_mut().zip(patch) {
            *insn = *new;
        }
        if edit.refers_out {
            relocate::patch(insns, layout, edit, to);
        }
        pauses.count(patch.len());
    }
    shift::apart(insns, 0..end, 0, pauses, &relocate);
}

/// Puts patches of one insn in place, as all are.
fn replace(insns: &mut [Insn], layout: &Layout<'_>) {
    let log = layout.log();
    for edit in log.edits() {
        let patch = log.patch(edit);
        insns[edit.idx as usize..][..patch.len()].copy_from_slice(patch);
    }
}
