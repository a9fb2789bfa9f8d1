// SPDX-License-Identifier: GPL-2.0

//! What the engine takes from the kernel: its types, its allocator and three of its functions.
//!
//! C headers: [`include/uapi/linux/bpf.h`](srctree/include/uapi/linux/bpf.h),
//! [`include/linux/bpf_verifier.h`](srctree/include/linux/bpf_verifier.h)

use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    prelude::*, //
};

pub(crate) use kernel::bindings::{
    bpf_func_info as FuncInfo,
    bpf_func_info_aux as FuncInfoAux,
    bpf_insn as Insn,
    bpf_insn_array_value as InsnArrayValue,
    bpf_insn_aux_data as InsnAux,
    bpf_jit_poke_descriptor as PokeDesc,
    bpf_line_info as LineInfo,
    bpf_subprog_info as Subprog, //
};

pub(crate) use bindings::{
    bpf_patcher_flags_BPF_PATCHER_F_JUMPS_BEHIND as F_JUMPS_BEHIND,
    bpf_patcher_flags_BPF_PATCHER_F_TO_BODY as F_TO_BODY, //
};

/// An array that grows amortised and may be as large as vmalloc serves. Its memory is charged to the
/// loading process, as the program's is.
pub(crate) type Array<T> = KVVec<T>;

/// Appends to `array`; on `ENOMEM` it is as before.
pub(crate) fn push<T>(array: &mut Array<T>, value: T) -> Result {
    Ok(array.push(value, GFP_KERNEL_ACCOUNT)?)
}

/// Appends all of `values` to `array`; on `ENOMEM` it is as before.
pub(crate) fn extend<T: Clone>(array: &mut Array<T>, values: &[T]) -> Result {
    Ok(array.extend_from_slice(values, GFP_KERNEL_ACCOUNT)?)
}

/// Makes room in `array` for `n` more; on `ENOMEM` it is as before.
pub(crate) fn reserve<T>(array: &mut Array<T>, n: usize) -> Result {
    Ok(array.reserve(n, GFP_KERNEL_ACCOUNT)?)
}

/// An empty array with room for `n`.
pub(crate) fn with_capacity<T>(n: usize) -> Result<Array<T>> {
    Ok(Array::with_capacity(n, GFP_KERNEL_ACCOUNT)?)
}

/// An array of `n` times what zeroed memory means.
pub(crate) fn zeroed<T: Zeroable>(n: usize) -> Result<Array<T>> {
    Ok(Array::zeroed(n, GFP_KERNEL_ACCOUNT)?)
}

/// Lets others run; to be called now and then in long loops. Returns whether the loading process
/// is being killed.
pub(crate) fn must_abort() -> bool {
    // SAFETY: Sessions are used by the task that loads a program, in process context and without a
    // lock that forbids to sleep.
    unsafe { bindings::bpf_rewrite_must_abort() }
}

const CLASS_MASK: u8 = 0x07;
const OP_MASK: u8 = 0xf0;

/// Insn class, `BPF_CLASS()`.
pub(crate) fn class(insn: &Insn) -> u32 {
    (insn.code & CLASS_MASK).into()
}

/// Operation of a jump, `BPF_OP()`.
pub(crate) fn op(insn: &Insn) -> u32 {
    (insn.code & OP_MASK).into()
}

/// Is the insn a `gotox`?
pub(crate) fn is_indirect_jump(insn: &Insn) -> bool {
    u32::from(insn.code) == JMP | JA | bindings::BPF_X
}

/// Is the insn a tail call, which the kernel makes of a call of a helper?
pub(crate) fn is_tail_call(insn: &Insn) -> bool {
    u32::from(insn.code) == JMP | bindings::BPF_TAIL_CALL
}

pub(crate) const JMP: u32 = bindings::BPF_JMP;
pub(crate) const JMP32: u32 = bindings::BPF_JMP32;
pub(crate) const JA: u32 = bindings::BPF_JA;
pub(crate) const CALL: u32 = bindings::BPF_CALL;
pub(crate) const EXIT: u32 = bindings::BPF_EXIT;
/// `ld_imm64`
pub(crate) const LD_IMM64: u32 = bindings::BPF_LD | bindings::BPF_IMM | bindings::BPF_DW;
/// `src_reg` of a call of a subprog
pub(crate) const PSEUDO_CALL: u32 = bindings::BPF_PSEUDO_CALL;
/// `src_reg` of a `ld_imm64` of a subprog's address
pub(crate) const PSEUDO_FUNC: u32 = bindings::BPF_PSEUDO_FUNC;

/// `INSN_DELETED` of kernel/bpf/bpf_insn_array.c
pub(crate) const INSN_DELETED: u32 = u32::MAX;
