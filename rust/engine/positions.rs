// SPDX-License-Identifier: GPL-2.0

//! Positions of insns that others keep: poke descriptors, insn arrays.
//!
//! Another CPU may read them at any time. So the engine never holds them as a slice: their owner
//! reads and writes one position at a time.

use super::layout::Layout;

/// What an insn array has in place of a removed insn: `INSN_DELETED` of
/// kernel/bpf/bpf_insn_array.c.
pub(crate) const INSN_DELETED: u32 = u32::MAX;

/// All positions of insns of one program that are kept outside of it, by kind.
///
/// For a new kind of positions: add a method here, and its rule to [`rewrite`].
pub(crate) trait Positions {
    /// Puts what `f` makes of it in place of the position of each poke descriptor.
    fn poke(&mut self, f: &mut dyn FnMut(u32) -> u32);

    /// Puts what `f` makes of it in place of each value of each insn array.
    fn insn_arrays(&mut self, f: &mut dyn FnMut(u32) -> u32);
}

/// Moves all positions.
///
/// # Panics
///
/// If a poke descriptor is about an insn that the old program does not have.
pub(crate) fn rewrite(positions: &mut dyn Positions, layout: &Layout<'_>) {
    // A tail call moves to the last insn of its group, which stands for it, as in
    // adjust_poke_descs(). None is removed: descriptors are added by the pass that the session
    // belongs to, or by one behind the removals.
    positions.poke(&mut |idx| layout.start(idx + 1).saturating_sub(1));
    // A value moves to where jumps to its insn lead, as in bpf_insn_array_adjust() and
    // bpf_insn_array_redirect(): to the first insn of the group that they do not skip.
    positions.insn_arrays(&mut |off| {
        if off == INSN_DELETED || off > layout.old_len() {
            off
        } else if layout.is_removed(off) {
            INSN_DELETED
        } else {
            // An insn of the new program, whose length is a u32.
            layout.jump_target(off.into()) as u32
        }
    });
}
