// SPDX-License-Identifier: GPL-2.0

//! A copy of a program, which `shadow.c` makes.

use crate::{
    engine::{
        abi::{
            self,
            Array, //
        },
        host::Host, //
    },
    view::View, //
};
use kernel::{
    bindings,
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
    pub(super) env: *mut bindings::bpf_verifier_env,
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
        view.host().insn_arrays(&mut |value| {
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
        view.host().insn_arrays(&mut |value| match kept.next() {
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
