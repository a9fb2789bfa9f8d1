// SPDX-License-Identifier: GPL-2.0

//! A copy of a program, and what the kernel's own functions do to it. `shadow.c` makes it.

use crate::{
    engine::{
        abi::{
            self,
            Array,
            Insn, //
        },
        log::Kind,
        reach::{
            Failure,
            TooFar, //
        }, //
    },
    resched::must_abort,
    view::View, //
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
        if prog.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: It is the same program.
        unsafe { view.set_prog(prog) };
        self.put_arrays_back(view);
        Ok(())
    }

    /// Applies an edit of insn `at` by the kernel's own functions. `idx` is the insn's index in the
    /// program that was copied. A program that was not verified can only have insns replaced.
    ///
    /// # Errors
    ///
    /// [`Failure::TooFar`], `ENOMEM`, `EINTR`, `EINVAL`
    pub(crate) fn edit(
        &mut self,
        idx: u32,
        at: u32,
        kind: Kind,
        patch: &[Insn],
    ) -> Result<(), Failure> {
        if !self.view.is_verified() {
            return self.patch_single(idx, at, kind, patch);
        }
        if let Kind::Remove { cnt } = kind {
            for idx in at..at + cnt {
                // What it frees belongs to the program that was copied.
                // SAFETY: By the type invariants; the insn has aux data.
                unsafe {
                    (*(*self.env).insn_aux_data.add(idx as usize)).jt = core::ptr::null_mut()
                };
            }
        }
        self.edit_verified(at, kind, patch).map_err(|error| {
            // SAFETY: By the type invariants. Of all that can fail, only a jump that is too far is
            // logged.
            match unsafe { (*self.env).log.end_pos } > 0 {
                true => too_far(idx),
                false => error.into(),
            }
        })
    }

    /// Applies an edit of insn `at` of a verified program.
    ///
    /// # Errors
    ///
    /// `EINTR` if the loading process is being killed, `ENOMEM` for all else.
    fn edit_verified(&mut self, at: u32, kind: Kind, patch: &[Insn]) -> Result {
        let env = self.env;
        // Numbers of insns are u32s.
        let len = patch.len() as u32;
        let prog = match kind {
            Kind::Remove { cnt } => {
                // SAFETY: By the type invariants; the insns are in the program.
                return to_result(unsafe { bindings::verifier_remove_insns(env, at, cnt) });
            }
            // SAFETY: By the type invariants; `at` is an insn's.
            Kind::Replace { .. } => unsafe {
                bindings::bpf_patch_insn_data(env, at, patch.as_ptr(), len)
            },
            Kind::Prepend { behind } => {
                // The C function puts the insn itself behind them.
                let mut with_insn = abi::with_capacity(patch.len() + 1)?;
                abi::extend(&mut with_insn, patch)?;
                abi::push(&mut with_insn, Insn::default())?;
                // SAFETY: By the type invariants; `at` is an insn's, and there is room for one more
                // than `len`.
                unsafe {
                    bindings::bpf_prepend_insn_data(env, at, with_insn.as_mut_ptr(), len, behind)
                }
            }
        };
        if prog.is_null() {
            return Err(if must_abort() { EINTR } else { ENOMEM });
        }
        // SAFETY: It is the same program.
        unsafe { self.view.set_prog(prog) };
        Ok(())
    }

    fn patch_single(
        &mut self,
        idx: u32,
        at: u32,
        kind: Kind,
        patch: &[Insn],
    ) -> Result<(), Failure> {
        if !matches!(kind, Kind::Replace { .. }) {
            return Err(EINVAL.into());
        }
        let (insns, len) = (patch.as_ptr(), patch.len() as u32);
        // SAFETY: By the type invariants; `at` is an insn's.
        let prog = unsafe { bindings::bpf_patch_insn_single(self.view.prog(), at, insns, len) };
        match from_err_ptr(prog) {
            Ok(prog) => {
                // SAFETY: It is the same program.
                unsafe { self.view.set_prog(prog) };
                Ok(())
            }
            Err(ERANGE) => Err(too_far(idx)),
            Err(error) => Err(error.into()),
        }
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
