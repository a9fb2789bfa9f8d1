// SPDX-License-Identifier: GPL-2.0

//! Closes gaps in an array that has an item for each insn.

use super::layout::Layout;

/// Closes the gaps that removals leave, from the front. What is edited otherwise keeps its item for
/// now. Returns the length then.
///
/// # Panics
///
/// If `items` is shorter than the old program.
pub(crate) fn together<T: Copy>(items: &mut [T], layout: &Layout<'_>) -> u32 {
    let mut to = 0;
    for piece in layout.pieces() {
        let replaces = piece.edit.is_some_and(|e| !e.removes() && !e.prepends());
        let from = piece.kept.start as usize;
        let cnt = piece.kept.len() + usize::from(replaces);
        if from != to {
            items.copy_within(from..from + cnt, to);
        }
        to += cnt;
    }
    // No longer than the old program, whose length is a u32.
    to as u32
}
