// SPDX-License-Identifier: GPL-2.0

//! Positions of insns that others keep: poke descriptors, insn arrays.

use super::{
    abi::{
        self,
        InsnArrayValue,
        PokeDesc, //
    },
    layout::Layout, //
};

/// Moves the tail calls that are patched at run time. All have been added by the pass that the
/// session belongs to, or one behind the removals: none of them is removed. What is put in front
/// of one is not the call.
pub(crate) fn poke(descs: &mut [PokeDesc], layout: &Layout<'_>) {
    for desc in descs {
        // In the new program, whose indices are u32s.
        desc.insn_idx = layout.land_body(desc.insn_idx.into()) as u32;
    }
}

/// Moves the values of an insn array; what was removed is marked so.
pub(crate) fn insn_array(values: &mut [InsnArrayValue], layout: &Layout<'_>) {
    for value in values {
        let off = value.xlated_off;
        if off == abi::INSN_DELETED || off > layout.old_len() {
            continue;
        }
        value.xlated_off = match layout.is_removed(off) {
            true => abi::INSN_DELETED,
            false => layout.start(off),
        };
    }
}
