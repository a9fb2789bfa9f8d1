// SPDX-License-Identifier: GPL-2.0

//! Moves the items of an array that has one for each insn, not too many in one go.

use super::{
    host::{
        Host,
        Pauses, //
    },
    layout::Layout,
    PAUSE_EVERY, //
};
use core::ops::Range;

/// Copies the items of `from` to `to`. Where they do not overlap, the kernel's memcpy() does it: its
/// memmove() copies byte by byte then (`rep movsb`), which takes a CPU a while to begin.
#[inline]
pub(super) fn copy<T: Copy>(items: &mut [T], from: Range<usize>, to: usize) {
    if to < from.end {
        items.copy_within(from, to);
    } else {
        let (front, end) = items.split_at_mut(to);
        end[..from.len()].copy_from_slice(&front[from]);
    }
}

/// Moves the items of the insns `old` towards the end, the first of them to `to`. `moved` is called with
/// the items, old insns whose items have moved, and where the first of them is now.
///
/// # Panics
///
/// If `items` is shorter than that.
#[inline]
pub(super) fn apart<T: Copy>(
    items: &mut [T],
    mut old: Range<u32>,
    to: u32,
    pauses: &mut Pauses<'_, impl Host>,
    mut moved: impl FnMut(&mut [T], Range<u32>, u32),
) {
    let by = to - old.start;
    while !old.is_empty() {
        let from = old.end.saturating_sub(PAUSE_EVERY as u32).max(old.start);
        let kept = from..old.end;
        old.end = from;
        if by > 0 {
            copy(
                items,
                kept.start as usize..kept.end as usize,
                (from + by) as usize,
            );
        }
        pauses.count(kept.len());
        moved(items, kept, from + by);
    }
}

/// Closes the gaps that removals leave, from the front. `moved` is as for [`apart`].
///
/// # Panics
///
/// If `items` is shorter than the old program.
pub(super) fn together<T: Copy>(
    items: &mut [T],
    layout: &Layout<'_>,
    pauses: &mut Pauses<'_, impl Host>,
    mut moved: impl FnMut(&mut [T], Range<u32>, u32),
) {
    for piece in layout.pieces() {
        let (mut old, mut to) = (piece.kept, piece.pos);
        pauses.count(1);
        while !old.is_empty() {
            let end = old.start.saturating_add(PAUSE_EVERY as u32).min(old.end);
            let kept = old.start..end;
            old.start = end;
            if kept.start != to {
                copy(items, kept.start as usize..kept.end as usize, to as usize);
            }
            pauses.count(kept.len());
            let at = to;
            to += end - kept.start;
            moved(items, kept, at);
        }
    }
}
