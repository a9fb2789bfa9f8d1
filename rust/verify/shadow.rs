// SPDX-License-Identifier: GPL-2.0

//! A copy of a program, and what the kernel's own functions do to it. `shadow.c` makes it.

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
    view::{
        must_abort,
        View, //
    }, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

// As in `shadow.h`. These are C's own types, only that bindgen has them.
#[expect(improper_ctypes)]
extern "C" {
    fn bpf_patcher_shadow_create(
        prog: *mut bindings::bpf_prog,
        env: *mut bindings::bpf_verifier_env,
    ) -> *mut bindings::bpf_verifier_env;
    fn bpf_patcher_shadow_install(
        shadow: *mut bindings::bpf_verifier_env,
        prog: *mut bindings::bpf_prog,
        env: *mut bindings::bpf_verifier_env,
    ) -> *mut bindings::bpf_prog;
    fn bpf_patcher_shadow_free(shadow: *mut bindings::bpf_verifier_env);
}

/// A copy of a program.
///
/// # Invariants
///
/// `env` is what `bpf_patcher_shadow_create` returned. `view` is of `env.prog` and, if the program
/// is a verified one, `env`.
pub(crate) struct Shadow {
    env: *mut bindings::bpf_verifier_env,
    pub(crate) view: View,
    /// The values of all insn arrays: those to come back, later those that came out.
    arrays: Array<u32>,
}

impl Shadow {
    /// Copies the program of `view`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(view: &mut View) -> Result<Self> {
        let mut arrays = Array::new();
        let mut result = Ok(());
        view.positions().insn_arrays(&mut |value| {
            result = result.and(abi::push(&mut arrays, value));
            value
        });
        result?;

        // SAFETY: By the invariants of `View`.
        let env = unsafe { bpf_patcher_shadow_create(view.prog(), view.env()) };
        if env.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `env` is valid, and so is its program.
        let prog = unsafe { (*env).prog };
        let verified = match view.env().is_null() {
            true => core::ptr::null_mut(),
            false => env,
        };
        // INVARIANT: As said.
        Ok(Self {
            env,
            // SAFETY: The copy is as `View` wants it, and lives as long as we do. Its insn arrays
            // are those of the program that was copied, which nobody changes meanwhile.
            view: unsafe { View::new(prog, verified) },
            arrays,
        })
    }

    /// Gives `view`, which shares its insn arrays with the copy, back the values that were there
    /// when the copy was made, and keeps those that are there now.
    pub(crate) fn put_arrays_back(&mut self, view: &mut View) {
        let mut kept = self.arrays.iter_mut();
        view.positions()
            .insn_arrays(&mut |value| match kept.next() {
                Some(kept) => core::mem::replace(kept, value),
                None => value,
            });
    }

    /// Returns the values of all insn arrays that were kept.
    pub(crate) fn arrays(&self) -> &[u32] {
        &self.arrays
    }

    /// Lets `view` be as the copy.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn install(&mut self, view: &mut View) -> Result {
        // SAFETY: By the type invariants and those of `View`.
        let prog = unsafe { bpf_patcher_shadow_install(self.env, view.prog(), view.env()) };
        // SAFETY: It is the same program.
        unsafe { view.set_prog(from_err_ptr(prog)?) };
        self.put_arrays_back(view);
        Ok(())
    }

    /// Puts `patch` in place of insn `at`, by `bpf_patch_insn_data()` or, for a program that was
    /// not verified, by `bpf_patch_insn_single()`. `idx` is the insn's index in the program that
    /// was copied.
    ///
    /// # Errors
    ///
    /// [`Failure::TooFar`], `ENOMEM`, `EINTR`
    pub(crate) fn patch(&mut self, idx: u32, at: u32, patch: &[Insn]) -> Result<(), Failure> {
        let (insns, len) = (patch.as_ptr(), patch.len() as u32);
        if self.view.env().is_null() {
            // SAFETY: By the type invariants; `at` is an insn's.
            let prog = unsafe { bindings::bpf_patch_insn_single(self.view.prog(), at, insns, len) };
            return match from_err_ptr(prog) {
                Ok(prog) => {
                    // SAFETY: It is the same program.
                    unsafe { self.view.set_prog(prog) };
                    Ok(())
                }
                Err(ERANGE) => Err(too_far(idx)),
                Err(error) => Err(error.into()),
            };
        }
        // SAFETY: By the type invariants; `at` is an insn's.
        let prog = unsafe { bindings::bpf_patch_insn_data(self.env, at, insns, len) };
        self.patched(idx, prog)
    }

    /// Puts all of `patch` but its last insn in front of insn `at`, by `bpf_prepend_insn_data()`;
    /// that last one is room for a copy of the insn. `idx` as for [`Shadow::patch`].
    ///
    /// # Errors
    ///
    /// As for [`Shadow::patch`]; `EINVAL` for a program that was not verified.
    pub(crate) fn prepend(
        &mut self,
        idx: u32,
        at: u32,
        patch: &mut [Insn],
        behind: bool,
    ) -> Result<(), Failure> {
        if self.view.env().is_null() {
            return Err(EINVAL.into());
        }
        let cnt = patch.len() as u32 - 1;
        let flags = match behind {
            true => bindings::bpf_patcher_flags_BPF_PATCHER_F_JUMPS_BEHIND,
            false => 0,
        };
        // SAFETY: By the type invariants; `at` is an insn's, and `patch` has room for one more than
        // `cnt`.
        let prog = unsafe {
            bindings::bpf_prepend_insn_data(self.env, at, patch.as_mut_ptr(), cnt, flags)
        };
        self.patched(idx, prog)
    }

    /// What has come of a function that returns the program or null.
    fn patched(&mut self, idx: u32, prog: *mut bindings::bpf_prog) -> Result<(), Failure> {
        if !prog.is_null() {
            // SAFETY: It is the same program.
            unsafe { self.view.set_prog(prog) };
            return Ok(());
        }
        // SAFETY: By the type invariants. Of all that can fail, only a jump that is too far is
        // logged.
        if unsafe { (*self.env).log.end_pos } > 0 {
            return Err(too_far(idx));
        }
        Err(if must_abort() { EINTR } else { ENOMEM }.into())
    }

    /// Deletes `cnt` insns from `at` on, by `bpf_remove_insn_data()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINTR`; `EINVAL` for a program that was not verified.
    pub(crate) fn remove(&mut self, at: u32, cnt: u32) -> Result<(), Failure> {
        if self.view.env().is_null() {
            return Err(EINVAL.into());
        }
        for idx in at..at + cnt {
            // What it frees belongs to the program that was copied.
            // SAFETY: By the type invariants; the insn has aux data.
            unsafe { (*(*self.env).insn_aux_data.add(idx as usize)).jt = core::ptr::null_mut() };
        }
        // SAFETY: By the type invariants; the insns are in the program.
        Ok(to_result(unsafe {
            bindings::bpf_remove_insn_data(self.env, at, cnt)
        })?)
    }
}

/// Stock does not tell which jump is too far, only at which edit.
fn too_far(blamed: u32) -> Failure {
    Failure::TooFar(TooFar { jump: None, blamed })
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; a program that has moved is known to `env`.
        unsafe {
            (*self.env).prog = self.view.prog();
            bpf_patcher_shadow_free(self.env);
        }
    }
}
