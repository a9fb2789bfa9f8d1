// SPDX-License-Identifier: GPL-2.0

//! What the engine asks of the kernel: positions of insns that it keeps, and its own functions.

use crate::{
    engine::{
        abi::Insn,
        host::Host, //
    },
    resched::{
        must_abort,
        resched, //
    }, //
};
use kernel::{
    bindings,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// What the engine asks of the kernel about a program.
///
/// # Invariants
///
/// As for [`View`](super::View), whose pointers these are.
pub(crate) struct KernelHost {
    pub(super) prog: *mut bindings::bpf_prog,
    pub(super) prog_aux: *mut bindings::bpf_prog_aux,
    pub(super) env: *mut bindings::bpf_verifier_env,
    /// To rewrite the program takes long enough for others to be let run.
    pub(super) is_long: bool,
}

/// Puts what `f` makes of it in place of a word that others may read meanwhile.
///
/// # Safety
///
/// `word` is valid for reads and writes, and nobody else writes it.
unsafe fn update(word: *mut u32, f: &mut dyn FnMut(u32) -> u32) {
    // SAFETY: As the caller promises.
    let word = unsafe { Atomic::from_ptr(word) };
    word.store(f(word.load(Relaxed)), Relaxed);
}

impl KernelHost {
    /// The position of poke descriptor `i`, if there are so many.
    fn poke_word(&self, i: usize) -> Option<*mut u32> {
        // SAFETY: By the type invariants.
        let (table, len) = unsafe { ((*self.prog_aux).poke_tab, (*self.prog_aux).size_poke_tab) };
        // SAFETY: By the type invariants, the table has `len` entries.
        (i < len as usize).then(|| unsafe { &raw mut (*table.add(i)).insn_idx })
    }

    pub(super) fn poke_at(&self, i: usize) -> Option<u32> {
        let word = self.poke_word(i)?;
        // SAFETY: By the type invariants.
        Some(unsafe { Atomic::from_ptr(word) }.load(Relaxed))
    }
}

impl Host for KernelHost {
    fn pause(&mut self) {
        if self.is_long {
            resched();
        }
    }

    /// Not for a program that the kernel made itself.
    fn aborts(&mut self) -> bool {
        !self.env.is_null() && must_abort()
    }

    /// Tells the program's author.
    fn relaxes(&mut self, idx: u32) {
        #[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
        if !self.env.is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::verbose_relaxed(self.env, idx) };
        }
        #[cfg(not(CONFIG_BPF_PATCHER_FAR_JUMPS))]
        let _ = idx;
    }

    fn zero_extends(&self, insn: &Insn) -> bool {
        // SAFETY: By the type invariants; the C function reads `insn` and `prog->aux->arena`.
        unsafe { bindings::bpf_insn_def32(self.prog, core::ptr::from_ref(insn).cast_mut()) >= 0 }
    }

    fn poke(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        let mut i = 0;
        while let Some(word) = self.poke_word(i) {
            // SAFETY: By the type invariants.
            unsafe { update(word, f) };
            i += 1;
        }
    }

    fn insn_arrays(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        if self.env.is_null() {
            return;
        }
        // SAFETY: By the type invariants.
        let cnt = unsafe { (*self.env).insn_array_map_cnt };
        for i in 0..cnt as usize {
            // SAFETY: By the type invariants, there are so many maps, and the verifier holds a
            // reference on each. It is frozen, and no other program may use it.
            let (values, len) = unsafe {
                let map = (*self.env).insn_array_maps[i];
                (bindings::bpf_insn_array_values(map), (*map).max_entries)
            };
            for value in 0..len as usize {
                // SAFETY: The map has so many values; by the type invariants.
                unsafe { update(&raw mut (*values.add(value)).xlated_off, f) };
            }
        }
    }
}
