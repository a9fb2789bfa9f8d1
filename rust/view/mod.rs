// SPDX-License-Identifier: GPL-2.0

//! The program of a session as C has it: the only code that touches C's structures.
//!
//! - `host`: what the engine asks of the kernel,
//! - `program`: the program as slices for the engine, and what it leaves,
//! - `room`: room for a longer program.

mod host;
mod program;
mod room;

#[cfg(CONFIG_BPF_PATCHER_DEBUG)]
use super::verify::load::Accepted;
use super::{
    engine::abi::Insn,
    mode, //
};
pub(crate) use host::KernelHost;
use kernel::{
    bindings,
    ffi::c_char,
    prelude::*, //
};
pub(crate) use program::bytes;
pub(crate) use room::check_size;

/// The program of a session.
///
/// # Invariants
///
/// - `prog` is a program that only the task that loads it changes, and that it leaves to us until
///   the session ends. Its `aux` is valid and stays the same when the program moves.
/// - `env` is null or the verifier's environment of `prog`, with `subprog_cnt + 1` subprogs and
///   `prog->len` entries in `insn_aux_data`, an array of `vmalloc`. The counts in both structures are
///   those of their arrays.
/// - Other CPUs may read `aux` itself and the entries of `poke_tab`, once the maps of tail calls
///   know them (`map_poke_track()` at the end of `bpf_do_misc_fixups()`), and the values of insn
///   arrays. So there are no references to these: fields are accessed one by one, by pointers.
///   Nobody reads the fields that we write, except the values of insn arrays, which whoever has the
///   map's file descriptor may read at any time, as with stock: they are written word by word, so
///   that such a reader gets old or new ones.
/// - All else that `env` and `aux` point to, other CPUs do not know yet.
pub(crate) struct View {
    /// Has the pointers.
    host: KernelHost,
    /// Jumps may be relaxed where the module's parameter allows it.
    relaxes: bool,
}

impl View {
    /// # Safety
    ///
    /// The arguments are as the type's invariants say, for as long as this lives.
    pub(crate) unsafe fn new(
        prog: *mut bindings::bpf_prog,
        env: *mut bindings::bpf_verifier_env,
    ) -> Self {
        // SAFETY: The caller promises it.
        let prog_aux = unsafe { (*prog).aux };
        // INVARIANT: The caller promises it.
        Self {
            host: KernelHost {
                prog,
                prog_aux,
                env,
                is_long: true,
            },
            relaxes: false,
        }
    }

    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.host.prog
    }

    pub(crate) fn env(&self) -> *mut bindings::bpf_verifier_env {
        self.host.env
    }

    fn prog_aux(&self) -> *mut bindings::bpf_prog_aux {
        self.host.prog_aux
    }

    /// The program has moved to `prog`.
    ///
    /// # Safety
    ///
    /// `prog` is as the type's invariants say, and has the `aux` of the program that it was.
    pub(crate) unsafe fn set_prog(&mut self, prog: *mut bindings::bpf_prog) {
        self.host.prog = prog;
        if !self.env().is_null() {
            // SAFETY: By the type invariants.
            unsafe { (*self.env()).prog = prog };
        }
    }

    /// Returns the name of the program, as its loader gave it.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: By the type invariants; the name ends in a 0 and does not change any more.
        unsafe { CStr::from_char_ptr(self.name_ptr()) }
    }

    /// The same, as C has it.
    pub(crate) fn name_ptr(&self) -> *const c_char {
        // SAFETY: By the type invariants.
        unsafe { (&raw const (*self.prog_aux()).name).cast() }
    }

    /// Returns the number of insns.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.prog()).len }
    }

    /// Returns the insns as they stand.
    pub(crate) fn insns(&self) -> &[Insn] {
        // SAFETY: By the type invariants, the program has `len` insns and nobody changes them.
        unsafe { program::slice_ref(self.insns_ptr(), self.len()) }
    }

    fn insns_ptr(&self) -> *mut Insn {
        // SAFETY: By the type invariants. The insns follow the structure's fixed part.
        unsafe { (&raw mut (*self.prog()).__bindgen_anon_2).cast() }
    }

    /// Returns the position of poke descriptor `i`, if there are so many.
    pub(crate) fn poke(&self, i: usize) -> Option<u32> {
        self.host.poke_at(i)
    }

    /// Returns what the engine asks of the kernel.
    pub(crate) fn host(&mut self) -> &mut KernelHost {
        &mut self.host
    }

    /// Does it take long to rewrite the program, so that others have to be let run?
    pub(crate) fn set_long(&mut self, is_long: bool) {
        self.host.is_long = is_long;
    }

    /// Tells the program's author that a jump no longer fits once insn `idx` is patched.
    pub(crate) fn report_range(&self, idx: u32) {
        if !self.env().is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::verbose_range(self.env(), idx) };
        }
    }

    /// Lets jumps that no longer fit be relaxed: whoever runs the program knows `gotol`.
    #[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
    pub(crate) fn allow_far_jumps(&mut self) {
        self.relaxes = true;
    }

    /// May jumps of the program be relaxed?
    pub(crate) fn may_relax(&self) -> bool {
        self.relaxes && mode::far_jumps()
    }

    /// Has the verifier gone through the program, so that it has aux data?
    pub(crate) fn is_verified(&self) -> bool {
        !self.env().is_null()
    }

    /// Is a device to run the program?
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn is_offloaded(&self) -> bool {
        // SAFETY: By the type invariants; nobody writes the bit any more.
        unsafe { (*self.prog_aux()).offload_requested }
    }

    /// Returns how many insns were put before a verified program, before what its passes record.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn prologue_len(&self) -> u32 {
        match self.is_verified() {
            // SAFETY: By the type invariants.
            true => unsafe { (*self.env()).prologue_cnt },
            false => 0,
        }
    }

    /// Returns how many subprogs the kernel has added to a verified program.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn hidden_subprogs(&self) -> u32 {
        match self.is_verified() {
            // SAFETY: By the type invariants.
            true => unsafe { (*self.env()).hidden_subprog_cnt },
            false => 0,
        }
    }

    /// Returns the program as it was accepted, if its load is to be judged.
    ///
    /// # Safety
    ///
    /// The load does not end during `'a`.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) unsafe fn accepted<'a>(&self) -> Option<&'a Accepted> {
        if !self.is_verified() {
            return None;
        }
        // SAFETY: By the type invariants and as the caller promises, this is null or what `entry` gave to C.
        unsafe { (*self.env()).watched.cast::<Accepted>().as_ref() }
    }
}
