// SPDX-License-Identifier: GPL-2.0

//! Positions of insns that others keep: poke descriptors, insn arrays.

use super::{
    host::Host,
    layout::Layout, //
};

/// What an insn array has in place of a removed insn: `INSN_DELETED` of
/// kernel/bpf/bpf_insn_array.c.
pub(crate) const INSN_DELETED: u32 = u32::MAX;

/// Moves all positions that `host` keeps.
///
/// # Panics
///
/// If a poke descriptor is about an insn that the old program does not have.
///
/// Proof: `PokeDescs` and `InsnArrays` in `proof/positions.dfy`, `InsnArraysShrunk` in
/// `proof/shrink.dfy`.
pub(crate) fn rewrite(host: &mut impl Host, layout: &Layout<'_>) {
    // A tail call moves to the last insn of its group, which stands for it, as in
    // adjust_poke_descs(). None is removed: descriptors are added by the pass that the session
    // belongs to, or by one behind the removals.
    host.poke(&mut |idx| layout.start(idx + 1).saturating_sub(1));
    // A value moves to where jumps to its insn lead, as in bpf_insn_array_adjust() and
    // bpf_insn_array_redirect(): to the first insn of the group that they do not skip.
    host.insn_arrays(&mut |off| {
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
