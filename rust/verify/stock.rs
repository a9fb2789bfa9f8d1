// SPDX-License-Identifier: GPL-2.0

//! The kernel's own functions, each of which applies one edit to a copy.
//!
//! An edit is of the insn that is `at` in the copy, and was `idx` when the session began. A program
//! that was not verified can only have insns replaced.

use super::shadow::Shadow;
use crate::{
    engine::{
        abi::{
            self,
            Array,
            Insn, //
        },
        reach::{
            Failure,
            TooFar, //
        }, //
    },
    resched::must_abort, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Stock does not tell which jump is too far, only at which edit.
fn too_far(blamed: u32) -> Failure {
    Failure::TooFar(TooFar { jump: None, blamed })
}

impl Shadow {
    /// Removes `cnt` insns.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINVAL`
    pub(super) fn remove(&mut self, idx: u32, at: u32, cnt: u32) -> Result<(), Failure> {
        self.check_verified()?;
        for i in at..at + cnt {
            // What it frees belongs to the program that was copied.
            // SAFETY: By the type invariants; the insn has aux data.
            unsafe { (*(*self.env).insn_aux_data.add(i as usize)).jt = core::ptr::null_mut() };
        }
        // SAFETY: By the type invariants; the insns are in the program.
        let result = to_result(unsafe { bindings::verifier_remove_insns(self.env, at, cnt) });
        result.map_err(|error| self.failure(idx, error))
    }

    /// Puts `patch` in place of an insn.
    ///
    /// # Errors
    ///
    /// [`Failure::TooFar`], `ENOMEM`, `EINTR`
    pub(super) fn replace(&mut self, idx: u32, at: u32, patch: &[Insn]) -> Result<(), Failure> {
        // Numbers of insns are u32s.
        let (insns, len) = (patch.as_ptr(), patch.len() as u32);
        if self.view.is_verified() {
            // SAFETY: By the type invariants; `at` is an insn's.
            let prog = unsafe { bindings::bpf_patch_insn_data(self.env, at, insns, len) };
            return self.moved(idx, prog);
        }
        // SAFETY: By the type invariants; `at` is an insn's.
        let prog = unsafe { bindings::bpf_patch_insn_single(self.view.prog(), at, insns, len) };
        match from_err_ptr(prog) {
            Ok(prog) => self.moved(idx, prog),
            Err(ERANGE) => Err(too_far(idx)),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts `patch` before an insn; jumps to it skip the patch if it is `skipped`.
    ///
    /// # Errors
    ///
    /// [`Failure::TooFar`], `ENOMEM`, `EINTR`, `EINVAL`
    pub(super) fn prepend(
        &mut self,
        idx: u32,
        at: u32,
        patch: &[Insn],
        skipped: bool,
    ) -> Result<(), Failure> {
        self.check_verified()?;
        // The C function puts the insn itself after them.
        let mut with_insn = Array::new();
        abi::extend(&mut with_insn, patch)?;
        abi::push(&mut with_insn, Insn::default())?;
        let (insns, len) = (with_insn.as_mut_ptr(), patch.len() as u32);
        // SAFETY: By the type invariants; `at` is an insn's, and there is room for one more than `len`.
        let prog = unsafe { bindings::bpf_prepend_insn_data(self.env, at, insns, len, skipped) };
        self.moved(idx, prog)
    }

    fn check_verified(&self) -> Result<(), Failure> {
        match self.view.is_verified() {
            true => Ok(()),
            false => Err(EINVAL.into()),
        }
    }

    /// The program is now `prog`, or null if the edit failed.
    fn moved(&mut self, idx: u32, prog: *mut bindings::bpf_prog) -> Result<(), Failure> {
        if prog.is_null() {
            let error = if must_abort() { EINTR } else { ENOMEM };
            return Err(self.failure(idx, error));
        }
        // SAFETY: It is the same program.
        unsafe { self.view.set_prog(prog) };
        Ok(())
    }

    /// Why an edit of a verified program failed.
    fn failure(&self, idx: u32, error: Error) -> Failure {
        // SAFETY: By the type invariants. Of all that can fail, only a jump that is too far is logged.
        match unsafe { (*self.env).log.end_pos } > 0 {
            true => too_far(idx),
            false => error.into(),
        }
    }
}
