// SPDX-License-Identifier: GPL-2.0

//! A copy of a program, and what the kernel's own functions do to it. `shadow.c` makes it.

use crate::{
    abi::{
        self,
        Array,
        Insn,
        InsnArrayValue,
        PokeDesc, //
    },
    view::Target, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::c_int,
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

/// Why the kernel's own functions have not done an edit.
pub(crate) enum Refused {
    /// A jump would be too far.
    Range,
    /// There is no memory.
    Memory,
    /// The loading process is being killed.
    Aborted,
}

/// # Invariants
///
/// `env` is what `bpf_patcher_shadow_create` returned. `target` is about `env.prog` and, if the
/// program is a verified one, `env`.
pub(crate) struct Shadow {
    env: *mut bindings::bpf_verifier_env,
    pub(crate) target: Target,
    /// The values of each insn array: those to come back, later those that came out.
    arrays: Array<Array<InsnArrayValue>>,
}

impl Shadow {
    /// Copies the program of `target`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(target: &mut Target) -> Result<Self> {
        let mut arrays = Array::new();
        let mut result = Ok(());
        target.for_each_insn_array(|_, values| {
            let mut copy = Array::new();
            let copied = abi::extend(&mut copy, values);
            result = result.and(copied).and(abi::push(&mut arrays, copy));
        });
        result?;

        // SAFETY: By the invariants of `Target`.
        let env = unsafe { bpf_patcher_shadow_create(target.prog(), target.env()) };
        if env.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `env` is valid, and so is its program.
        let prog = unsafe { (*env).prog };
        let verified = match target.env().is_null() {
            true => core::ptr::null_mut(),
            false => env,
        };
        // INVARIANT: As said.
        Ok(Self {
            env,
            // SAFETY: The copy is as `Target` wants it, and lives as long as we do. Its insn arrays
            // are those of the program that was copied, which nobody uses meanwhile.
            target: unsafe { Target::new(prog, verified) },
            arrays,
        })
    }

    /// Gives `target`, which shares its insn arrays with the copy, back the values that were there
    /// when the copy was made, and keeps those that are there now.
    pub(crate) fn put_arrays_back(&mut self, target: &mut Target) {
        target.for_each_insn_array(|i, values| values.swap_with_slice(&mut self.arrays[i]));
    }

    /// The values of insn array `i` that were kept.
    pub(crate) fn array(&self, i: usize) -> &[InsnArrayValue] {
        &self.arrays[i]
    }

    /// Lets `target` be as the copy.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn install(&mut self, target: &mut Target) -> Result {
        // SAFETY: By the type invariants and those of `Target`.
        let prog = unsafe { bpf_patcher_shadow_install(self.env, target.prog(), target.env()) };
        // SAFETY: It is the same program.
        unsafe { target.set_prog(from_err_ptr(prog)?) };
        self.put_arrays_back(target);
        Ok(())
    }

    /// Puts `patch` in place of insn `at`, by `bpf_patch_insn_data()` or `bpf_patch_insn_single()`.
    pub(crate) fn patch(&mut self, at: u32, patch: &[Insn]) -> Result<(), Refused> {
        let (insns, len) = (patch.as_ptr(), patch.len() as u32);
        let env = self.target.env();
        if !env.is_null() {
            // SAFETY: By the type invariants; `at` is an insn's.
            let prog = unsafe { bindings::bpf_patch_insn_data(env, at, insns, len) };
            if !prog.is_null() {
                // SAFETY: It is the same program.
                unsafe { self.target.set_prog(prog) };
                return Ok(());
            }
            if abi::must_abort() {
                return Err(Refused::Aborted);
            }
        }
        // With `env`, this is to learn the reason, and the copy is not used any more.
        // SAFETY: By the type invariants; `at` is an insn's.
        let prog = unsafe { bindings::bpf_patch_insn_single(self.target.prog(), at, insns, len) };
        match from_err_ptr(prog) {
            Ok(prog) => {
                // SAFETY: It is the same program.
                unsafe { self.target.set_prog(prog) };
                match env.is_null() {
                    true => Ok(()),
                    false => Err(Refused::Memory),
                }
            }
            Err(ERANGE) => Err(Refused::Range),
            Err(_) => Err(Refused::Memory),
        }
    }

    /// Deletes `cnt` insns from `at` on, by `verifier_remove_insns()`.
    pub(crate) fn remove(&mut self, at: u32, cnt: u32) -> Result<(), Refused> {
        // SAFETY: By the type invariants. Only a program with `env` has insns removed.
        let env = unsafe { &mut *self.env };
        for idx in at..at + cnt {
            // What it frees belongs to the program that was copied.
            // SAFETY: By the type invariants; the insn has aux data.
            unsafe { (*env.insn_aux_data.add(idx as usize)).jt = core::ptr::null_mut() };
        }
        // SAFETY: By the type invariants.
        let err: c_int = unsafe { bindings::verifier_remove_insns(env, at, cnt) };
        match err {
            0 => Ok(()),
            _ => Err(Refused::Aborted),
        }
    }

    /// Lets jumps to insn `at` lead `cnt` insns further, by `bpf_adjust_jmp_off()`. Returns how
    /// many indirect jumps and tail calls it took for some of these, and puts them right.
    pub(crate) fn jump_behind(&mut self, at: u32, cnt: u32) -> Result<u64, Refused> {
        // SAFETY: By the type invariants.
        let err: c_int = unsafe { bindings::bpf_adjust_jmp_off(self.target.prog(), at, cnt) };
        let mut wrong = 0;
        for insn in self.target.insns_mut() {
            if insn.off != 0 && (abi::is_indirect_jump(insn) || abi::is_tail_call(insn)) {
                insn.off = 0;
                wrong += 1;
            }
        }
        match err {
            0 => Ok(wrong),
            _ => Err(Refused::Range),
        }
    }

    pub(crate) fn poke(&mut self) -> &mut [PokeDesc] {
        self.target.poke_mut()
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; a program that has moved is known to `env`.
        unsafe {
            (*self.env).prog = self.target.prog();
            bpf_patcher_shadow_free(self.env);
        }
    }
}
