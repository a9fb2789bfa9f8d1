// SPDX-License-Identifier: GPL-2.0

//! Subprogs: their starts, and the removal of whole ones with their func info.
//! `adjust_subprog_starts()` and `adjust_subprog_starts_after_remove()` for all edits of a session.

use super::{
    abi::{
        FuncInfo,
        FuncInfoAux,
        Subprog, //
    },
    layout::Layout, //
};

/// What is left in each array, at its front.
pub(crate) struct Left {
    /// Without the entry that marks the end of the program.
    pub(crate) subprogs: u32,
    pub(crate) func_info: u32,
}

/// Copies an entry to the front of its array, if the array has it: byte by byte, padding too, as
/// mode verify compares bytes.
fn move_entry<T: Copy>(array: &mut [T], from: usize, to: usize) {
    if from < array.len() {
        array.copy_within(from..=from, to);
    }
}

/// Moves `subprogs`, whose last entry marks the end of the program, and drops those of which no
/// insn stays. `func_info` and `func_info_aux` are empty or have an entry for each subprog.
///
/// # Panics
///
/// If `subprogs` is empty, or a subprog starts behind the end of the old program.
///
/// Proof: `SubprogStarts` and `SubprogStay` in `proof/positions.dfy`, `SubprogStartsShrunk` in
/// `proof/removed.dfy`.
pub(crate) fn rewrite(
    subprogs: &mut [Subprog],
    func_info: &mut [FuncInfo],
    func_info_aux: &mut [FuncInfoAux],
    layout: &Layout<'_>,
) -> Left {
    let cnt = subprogs.len() - 1;
    let mut to = 0;
    let mut dropped_infos = 0;

    for from in 0..cnt {
        let (start, end) = (subprogs[from].start, subprogs[from + 1].start);
        if layout.start(start) == layout.start(end) {
            dropped_infos += usize::from(from < func_info.len());
            continue;
        }
        if from != to {
            move_entry(subprogs, from, to);
            move_entry(func_info, from, to);
            move_entry(func_info_aux, from, to);
        }
        subprogs[to].start = layout.start(start);
        to += 1;
    }

    if to != cnt {
        move_entry(subprogs, cnt, to);
    }
    subprogs[to].start = layout.start(subprogs[to].start);
    // No more than there were, which are u32s.
    Left {
        subprogs: to as u32,
        func_info: (func_info.len() - dropped_infos) as u32,
    }
}
