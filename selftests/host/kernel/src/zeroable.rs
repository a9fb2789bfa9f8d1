// SPDX-License-Identifier: GPL-2.0

//! Types whose zeroes are a value.

use crate::bindings;
use core::mem::MaybeUninit;

/// # Safety
///
/// All bytes zero must be a value of the type.
pub unsafe trait Zeroable: Sized {
    fn zeroed() -> Self {
        // SAFETY: By the trait's contract.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

macro_rules! zeroable {
    ($($t:ty),* $(,)?) => {
        $(
            // SAFETY: Integers, pointers, and C structures of such.
            unsafe impl Zeroable for $t {}
        )*
    };
}

zeroable!(
    u8,
    u32,
    bindings::bpf_func_info,
    bindings::bpf_func_info_aux,
    bindings::bpf_insn,
    bindings::bpf_insn_aux_data,
    bindings::bpf_line_info,
    bindings::bpf_subprog_info,
);
