// SPDX-License-Identifier: GPL-2.0

//! The program as slices, and what the engine leaves of them.

use super::{
    KernelHost,
    View, //
};
use crate::engine::{
    Outcome,
    Program,
    Verified, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// # Safety
///
/// `ptr` is null, or valid for `n` elements that nobody changes during `'a`.
pub(super) unsafe fn slice_ref<'a, T>(ptr: *const T, n: u32) -> &'a [T] {
    if ptr.is_null() {
        return &[];
    }
    // SAFETY: As the caller promises.
    unsafe { core::slice::from_raw_parts(ptr, n as usize) }
}

/// # Safety
///
/// `ptr` is null, or valid for `n` elements that nothing else refers to during `'a`.
unsafe fn slice<'a, T>(ptr: *mut T, n: u32) -> &'a mut [T] {
    if ptr.is_null() {
        return &mut [];
    }
    // SAFETY: As the caller promises.
    unsafe { core::slice::from_raw_parts_mut(ptr, n as usize) }
}

/// Returns the bytes of a C structure that was made of zeroed memory.
///
/// What is between its fields has a value too: the engine writes single fields, copies with
/// `copy_within()` and `copy_from_slice()`, which keep all bytes, and zeroes with `abi::clear()`, which
/// writes all. C's structure assignments need not copy what is between fields, but do.
pub(crate) fn bytes<T: Zeroable>(v: &T) -> &[u8] {
    // SAFETY: Every byte has a value, see above.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(v).cast(), size_of::<T>()) }
}

impl View {
    /// Frees what the aux data of insns that are to be removed owns.
    pub(crate) fn clear_aux(&mut self, idx: u32, cnt: u32) {
        if !self.env().is_null() {
            // SAFETY: By the type invariants; the insns are in the program, whose length is less
            // than 2^31.
            unsafe { bindings::bpf_clear_insn_aux_data(self.env(), idx as i32, cnt as i32) };
        }
    }

    /// Returns the program and what goes with it: all the insns that stand and their aux data, and for
    /// `room` insns at least, for which there is room. And its host.
    pub(crate) fn program(&mut self, room: u32) -> (Program<'_>, &mut KernelHost) {
        let (len, env, prog_aux) = (self.len(), self.env(), self.prog_aux());
        // SAFETY: By the type invariants, and as the caller has made room.
        let insns = unsafe { slice(self.insns_ptr(), len.max(room)) };
        // SAFETY: By the type invariants.
        let linfo = unsafe { slice((*prog_aux).linfo, (*prog_aux).nr_linfo) };
        // SAFETY: By the type invariants. `func_info_aux` has as many entries as `func_info` if
        // any.
        let verified = (!env.is_null()).then(|| unsafe {
            Verified {
                aux: slice((*env).insn_aux_data, (*env).insn_aux_data_len.max(room)),
                subprogs: slice(
                    (&raw mut (*env).subprog_info).cast(),
                    (*env).subprog_cnt + 1,
                ),
                func_info: slice((*prog_aux).func_info, (*prog_aux).func_info_cnt),
                func_info_aux: slice((*prog_aux).func_info_aux, (*prog_aux).func_info_cnt),
            }
        });
        let program = Program {
            insns,
            linfo,
            verified,
        };
        (program, &mut self.host)
    }

    /// Makes the rewritten program, of `new_len` insns, the one that stands.
    pub(crate) fn commit(&mut self, new_len: u32, outcome: &Outcome) {
        let (env, prog_aux) = (self.env(), self.prog_aux());
        // SAFETY: By the type invariants.
        unsafe {
            (*self.prog()).len = new_len;
            (*prog_aux).nr_linfo = outcome.linfo;
        }
        if env.is_null() {
            return;
        }

        // SAFETY: By the type invariants.
        unsafe {
            (*prog_aux).func_info_cnt = outcome.func_info;
            (*env).subprog_cnt = outcome.subprogs;
            (*env).insn_aux_data_len = new_len;
        }
    }
}
