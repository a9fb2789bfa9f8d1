// SPDX-License-Identifier: GPL-2.0

//! The insns of the program, which move in place: first together, then apart.

use super::{
    abi::Insn,
    layout::Layout, //
};

/// Turns the old program, the first `layout.old_len()` of `insns`, into the new one. References are
/// left as they are. Returns how many insns were written.
///
/// # Panics
///
/// If `insns` is shorter than the longer of the old and the new program.
pub(crate) fn rewrite(insns: &mut [Insn], layout: &Layout<'_>) -> u64 {
    let mut written = 0;
    let mut len = layout.old_len();
    if layout.shrinks {
        let (compacted, moved) = compact(insns, layout);
        len = compacted;
        written += moved;
    }
    if layout.grows {
        written += expand(insns, layout, len);
    } else {
        written += replace(insns, layout);
    }
    written
}

/// Closes the gaps that removals leave, from the front. Returns the length then, and how many insns
/// moved.
fn compact(insns: &mut [Insn], layout: &Layout<'_>) -> (u32, u64) {
    let mut to = 0;
    let mut moved = 0;
    for span in layout.spans() {
        // The insn of a group that stays keeps its place for now.
        let end = match &span.group {
            Some(group) if !group.removes() => group.end(),
            _ => span.run.end,
        };
        let (from, cnt) = (span.run.start as usize, (end - span.run.start) as usize);
        if from != to {
            insns.copy_within(from..from + cnt, to);
            moved += cnt as u64;
        }
        to += cnt;
    }
    // No longer than the old program, whose length is a u32.
    (to as u32, moved)
}

/// Makes room for what is added and puts it there, from the end: `len` insns, without those
/// removed, become `layout.new_len()`. Returns how many insns were written.
fn expand(insns: &mut [Insn], layout: &Layout<'_>, len: u32) -> u64 {
    let log = layout.log();
    let mut written = 0;
    let mut from = len as usize;
    let mut to = layout.new_len() as usize;
    let mut end = layout.old_len();

    for group in log.groups().rev() {
        let run = (end - group.end()) as usize;
        from -= run;
        to -= run;
        if from != to {
            insns.copy_within(from..from + run, to);
            written += run as u64;
        }
        end = group.idx();
        if group.removes() {
            continue;
        }

        from -= 1;
        if group.keeps() {
            to -= 1;
            insns[to] = insns[from];
            written += 1;
        }
        for edit in group.edits().iter().rev() {
            let patch = log.patch(edit);
            to -= patch.len();
            insns[to..][..patch.len()].copy_from_slice(patch);
            written += patch.len() as u64;
        }
    }
    written
}

/// Puts patches of one insn in place, if no group is longer. Returns how many insns were written.
fn replace(insns: &mut [Insn], layout: &Layout<'_>) -> u64 {
    let log = layout.log();
    let mut written = 0;
    for edit in log.edits().iter().filter(|e| !e.removes()) {
        let patch = log.patch(edit);
        insns[layout.start(edit.idx) as usize..][..patch.len()].copy_from_slice(patch);
        written += patch.len() as u64;
    }
    written
}
