// SPDX-License-Identifier: GPL-2.0

//! Room for a longer program and its aux data.

use super::View;
use crate::engine::abi::{
    Insn,
    InsnAux, //
};
use core::{
    alloc::Layout,
    ptr::NonNull, //
};
use kernel::{
    alloc::{
        allocator::Vmalloc,
        flags::GFP_KERNEL_ACCOUNT,
        Allocator,
        NumaNode, //
    },
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

// As in `shims.h`. These are C's own types, only that bindgen has them.
#[expect(improper_ctypes)]
extern "C" {
    fn bpf_patcher_prog_realloc(prog: *mut bindings::bpf_prog, len: u32)
        -> *mut bindings::bpf_prog;
}

/// Can the pages of a program of `len` insns be counted in 16 bits? `E2BIG` if not.
pub(crate) fn check_size(len: u32) -> Result {
    let size = size_of::<bindings::bpf_prog>() + len as usize * size_of::<Insn>();
    match size <= usize::from(u16::MAX) * PAGE_SIZE {
        true => Ok(()),
        false => Err(E2BIG),
    }
}

impl View {
    /// Makes room for `len` insns in the program. Returns the bytes that took.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. The program is as before.
    pub(crate) fn reserve(&mut self, len: u32) -> Result<usize> {
        // SAFETY: By the type invariants. If the program moves, the old one is freed and
        // `prog->aux` knows the new one.
        let prog = unsafe { bpf_patcher_prog_realloc(self.prog(), len) };
        if prog.is_null() {
            return Err(ENOMEM);
        }
        let moved = prog != self.prog();
        // SAFETY: It is the same program.
        unsafe { self.set_prog(prog) };
        Ok(if moved {
            len as usize * size_of::<Insn>()
        } else {
            0
        })
    }

    /// Makes room for the aux data of `len` insns, if there is any. Returns the bytes that took. What is
    /// there stays as it is.
    ///
    /// # Errors
    ///
    /// As for [`View::reserve`].
    pub(crate) fn reserve_aux(&mut self, len: u32) -> Result<usize> {
        if !self.is_verified() {
            return Ok(0);
        }
        // SAFETY: By the type invariants.
        let (old, old_len) =
            unsafe { ((*self.env()).insn_aux_data, (*self.env()).insn_aux_data_len) };
        if len <= old_len {
            return Ok(0);
        }
        let layout = |len: u32| Layout::array::<InsnAux>(len as usize).map_err(|_| ENOMEM);
        let (new_layout, old_layout) = (layout(len)?, layout(old_len)?);
        // SAFETY: By the type invariants, the array is one of `vmalloc`, of `old_len` entries at least. Nothing
        // refers to it but `env`.
        let new = unsafe {
            Vmalloc::realloc(
                NonNull::new(old.cast()),
                new_layout,
                old_layout,
                GFP_KERNEL_ACCOUNT,
                NumaNode::NO_NODE,
            )
        }?;
        let new = new.as_ptr().cast::<InsnAux>();
        // SAFETY: By the type invariants. As many entries as its length says are those that it had.
        unsafe { (*self.env()).insn_aux_data = new };
        Ok(if new == old { 0 } else { new_layout.size() })
    }
}
