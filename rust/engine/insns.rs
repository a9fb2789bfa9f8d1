// SPDX-License-Identifier: GPL-2.0

//! The insns of the program, which move in place: first together, then apart.

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
    let mut len = layout.old_len();
    if layout.shrinks {
        len = shift::together(insns, layout);
        pause();
    }
    if layout.grows {
        expand(insns, layout, len, pause);
    } else {
        replace(insns, layout);
        if layout.shrinks {
            pause();
            relocate::rewrite(insns, layout);
        }
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

/// Makes room for what is added and puts it there, from the end: `len` insns, without those
/// removed, become `layout.new_len()`. Each insn has its reference set when it is in its place, while
/// it is at hand.
fn expand(insns: &mut [Insn], layout: &Layout<'_>, len: u32, pause: &mut dyn FnMut()) {
    let log = layout.log();
    let mut from = len as usize;
    let mut to = layout.new_len() as usize;
    let mut end = layout.old_len();

    for edits in log.edits().rchunks(AT_ONCE) {
        for edit in edits.iter().rev() {
            let kept = edit.rest()..end;
            if !kept.is_empty() {
                from -= kept.len();
                to -= kept.len();
                insns.copy_within(from..from + kept.len(), to);
                relocate::kept(insns, layout, kept, to as u32);
            }
            end = edit.idx;
            if edit.removes() {
                continue;
            }
            from -= usize::from(!edit.prepends());
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

/// Puts patches of one insn in place, if none is longer.
fn replace(insns: &mut [Insn], layout: &Layout<'_>) {
    let log = layout.log();
    for edit in log.edits().iter().filter(|e| !e.removes()) {
        let patch = log.patch(edit);
        insns[layout.start(edit.idx) as usize..][..patch.len()].copy_from_slice(patch);
    }
}
