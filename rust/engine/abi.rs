// SPDX-License-Identifier: GPL-2.0

//! What the engine takes from the kernel: types and the allocator.
//!
//! C headers: [`include/uapi/linux/bpf.h`](srctree/include/uapi/linux/bpf.h),
//! [`include/linux/bpf_verifier.h`](srctree/include/linux/bpf_verifier.h)

use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*, //
};

pub(crate) use kernel::bindings::{
    bpf_func_info as FuncInfo,
    bpf_func_info_aux as FuncInfoAux,
    bpf_insn as Insn,
    bpf_insn_aux_data as InsnAux,
    bpf_line_info as LineInfo,
    bpf_subprog_info as Subprog, //
};

/// An array that grows in amortised constant time and may be as large as vmalloc serves.
///
/// Its memory is charged to the loading process, as the program's is.
pub(crate) type Array<T> = KVVec<T>;

/// Appends `value` to `array`; on `ENOMEM` it is as before.
#[inline]
pub(crate) fn push<T>(array: &mut Array<T>, value: T) -> Result {
    Ok(array.push(value, GFP_KERNEL_ACCOUNT)?)
}

/// Appends `value` to `array`, in which there is room for it: `EINVAL` if not.
#[inline]
pub(crate) fn push_into_room<T>(array: &mut Array<T>, value: T) -> Result {
    Ok(array.push_within_capacity(value)?)
}

/// Appends all of `values` to `array`; on `ENOMEM` it is as before.
#[inline]
pub(crate) fn extend<T: Clone>(array: &mut Array<T>, values: &[T]) -> Result {
    Ok(array.extend_from_slice(values, GFP_KERNEL_ACCOUNT)?)
}

/// Makes room in `array` for `n` more elements; on `ENOMEM` it is as before.
pub(crate) fn reserve<T>(array: &mut Array<T>, n: usize) -> Result {
    Ok(array.reserve(n, GFP_KERNEL_ACCOUNT)?)
}

/// Zeroes `item`, and what is between its fields, which an assignment may leave as it is: mode verify
/// compares bytes.
pub(crate) fn clear<T: Zeroable>(item: &mut T) {
    // SAFETY: There is one item, and zeros are a value of its type.
    unsafe { core::ptr::write_bytes(item, 0, 1) };
}

/// Returns an array of `n` elements made of zeroed memory, or `ENOMEM`.
pub(crate) fn zeroed<T: Zeroable>(n: usize) -> Result<Array<T>> {
    Ok(Array::zeroed(n, GFP_KERNEL_ACCOUNT)?)
}
