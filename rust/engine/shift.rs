// SPDX-License-Identifier: GPL-2.0

//! Closes gaps in an array that has an item for each insn.

use super::layout::Layout;
use core::ops::Range;

/// Closes the gaps that removals leave, from the front. `moved` is called with the items, the old
/// insns whose items have come together, and where the first of them is now.
///
/// # Panics
///
/// If `items` is shorter than the old program.
pub(crate) fn together<T: Copy>(
    items: &mut [T],
    layout: &Layout<'_>,
    mut moved: impl FnMut(&mut [T], Range<u32>, u32),
) {
    for piece in layout.pieces() {
        let (kept, to) = (piece.kept, piece.pos);
        if kept.start != to {
            items.copy_within(kept.start as usize..kept.end as usize, to as usize);
        }
        moved(items, kept, to);
    }
}
