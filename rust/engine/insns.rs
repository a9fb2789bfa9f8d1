// SPDX-License-Identifier: GPL-2.0

//! The insns of the program, which move in place: together, or apart.

use super::{
    abi::Insn,
    layout::Layout,
    relocate,
    shift,
    AT_ONCE, //
};

/// Turns the old program, the first `layout.old_len()` of `insns`, into the new one, with its
/// references. `pause` is called now and then.
///
/// # Panics
///
/// If `insns` is shorter than the longer of the old and the new program.
pub(crate) fn rewrite(insns: &mut [Insn], layout: &Layout<'_>, pause: &mut dyn FnMut()) {
    if layout.grows {
        expand(insns, layout, pause);
    } else if layout.shrinks {
        shift::together(insns, layout, |insns, old, to| {
            relocate::kept(insns, layout, old, to);
        });
    } else {
        replace(insns, layout);
    }
}

/// Returns how many insns [`rewrite`] writes, those from the first edit on unless none moves.
pub(crate) fn written(layout: &Layout<'_>) -> u64 {
    if layout.moves() {
        layout.behind_first_edit().into()
    } else {
        layout.log().patches_len() as u64
    }
}

/// Makes room for what is added and puts it there, from the end. Each insn has its reference set when
/// it is in its place, while it is at hand.
fn expand(insns: &mut [Insn], layout: &Layout<'_>, pause: &mut dyn FnMut()) {
    let log = layout.log();
    let mut to = layout.new_len() as usize;
    let mut end = layout.old_len();

    for edits in log.edits().rchunks(AT_ONCE) {
        for edit in edits.iter().rev() {
            let kept = edit.rest()..end;
            if !kept.is_empty() {
                to -= kept.len();
                insns.copy_within(kept.start as usize..kept.end as usize, to);
                relocate::kept(insns, layout, kept, to as u32);
            }
            end = edit.idx;
            let patch = log.patch(edit);
            to -= patch.len();
            // Most have two to five insns, for which this is quicker than to call memcpy().
            for (insn, new) in insns[to..][..patch.len()].iter_mut().zip(patch) {
                *insn = *new;
            }
            if edit.refers_out {
                relocate::patch(insns, layout, edit, to as u32);
            }
        }
        pause();
    }
    relocate::kept(insns, layout, 0..end, 0);
}

/// Puts patches of one insn in place, as all are.
fn replace(insns: &mut [Insn], layout: &Layout<'_>) {
    let log = layout.log();
    for edit in log.edits() {
        let patch = log.patch(edit);
        insns[edit.idx as usize..][..patch.len()].copy_from_slice(patch);
    }
}
