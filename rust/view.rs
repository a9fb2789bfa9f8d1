// SPDX-License-Identifier: GPL-2.0

//! The program of a session as C has it, and as slices: the only code that touches C's structures.

#[cfg(CONFIG_BPF_PATCHER_DEBUG)]
use super::verify::load::Accepted;
use super::{
    engine::{
        abi::{
            Insn,
            InsnAux, //
        },
        positions::Positions,
        Outcome,
        Program,
        Verified, //
    },
    mode, //
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
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// # Safety
///
/// `ptr` is null, or valid for `n` elements that nobody changes during `'a`.
unsafe fn slice_ref<'a, T>(ptr: *const T, n: u32) -> &'a [T] {
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

// As in `shims.h`. These are C's own types, only that bindgen has them.
#[expect(improper_ctypes)]
extern "C" {
    fn bpf_patcher_prog_realloc(prog: *mut bindings::bpf_prog, len: u32)
        -> *mut bindings::bpf_prog;
}

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
    prog: *mut bindings::bpf_prog,
    env: *mut bindings::bpf_verifier_env,
    outside: Outside,
    /// Jumps may be relaxed where the module's parameter allows it.
    relaxes: bool,
}

/// Positions of insns that are kept outside of the program.
///
/// # Invariants
///
/// As for [`View`], whose `aux` and `env` these are.
struct Outside {
    prog_aux: *mut bindings::bpf_prog_aux,
    env: *mut bindings::bpf_verifier_env,
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

impl Outside {
    /// The position of poke descriptor `i`, if there are so many.
    fn poke_word(&self, i: usize) -> Option<*mut u32> {
        // SAFETY: By the type invariants.
        let (table, len) = unsafe { ((*self.prog_aux).poke_tab, (*self.prog_aux).size_poke_tab) };
        // SAFETY: By the type invariants, the table has `len` entries.
        (i < len as usize).then(|| unsafe { &raw mut (*table.add(i)).insn_idx })
    }
}

impl Positions for Outside {
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
            prog,
            env,
            outside: Outside { prog_aux, env },
            relaxes: false,
        }
    }

    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.prog
    }

    pub(crate) fn env(&self) -> *mut bindings::bpf_verifier_env {
        self.env
    }

    /// The program has moved to `prog`.
    ///
    /// # Safety
    ///
    /// `prog` is as the type's invariants say, and has the `aux` of the program that it was.
    pub(crate) unsafe fn set_prog(&mut self, prog: *mut bindings::bpf_prog) {
        self.prog = prog;
        if !self.env.is_null() {
            // SAFETY: By the type invariants.
            unsafe { (*self.env).prog = prog };
        }
    }

    /// Returns the name of the program, as its loader gave it.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: By the type invariants; the name ends in a 0 and does not change any more.
        unsafe { CStr::from_char_ptr((&raw const (*self.outside.prog_aux).name).cast()) }
    }

    /// Returns the number of insns.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.prog).len }
    }

    /// Returns the insns as they stand.
    pub(crate) fn insns(&self) -> &[Insn] {
        // SAFETY: By the type invariants, the program has `len` insns and nobody changes them.
        unsafe { slice_ref(self.insns_ptr(), self.len()) }
    }

    fn insns_ptr(&self) -> *mut Insn {
        // SAFETY: By the type invariants. The insns follow the structure's fixed part.
        unsafe { (&raw mut (*self.prog).__bindgen_anon_2).cast() }
    }

    /// Returns the position of poke descriptor `i`, if there are so many.
    pub(crate) fn poke(&self, i: usize) -> Option<u32> {
        let word = self.outside.poke_word(i)?;
        // SAFETY: By the type invariants.
        Some(unsafe { Atomic::from_ptr(word) }.load(Relaxed))
    }

    /// Returns the positions that are kept outside of the program.
    pub(crate) fn positions(&mut self) -> &mut dyn Positions {
        &mut self.outside
    }

    /// Is linearize to give up when the loading process is being killed? Not for a program that the
    /// kernel made itself.
    pub(crate) fn may_abort(&self) -> bool {
        self.is_verified()
    }

    /// Tells the program's author that a jump no longer fits once insn `idx` is patched.
    pub(crate) fn report_range(&self, idx: u32) {
        if !self.env.is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::verbose_range(self.env, idx) };
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

    /// Tells the program's author that the jump of insn `idx`, or one of its patch, is relaxed.
    pub(crate) fn report_relaxed(&self, idx: u32) {
        #[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
        if !self.env.is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::verbose_relaxed(self.env, idx) };
        }
        #[cfg(not(CONFIG_BPF_PATCHER_FAR_JUMPS))]
        let _ = idx;
    }

    /// Can the pages of a program of `len` insns be counted in 16 bits?
    fn fits(len: u32) -> bool {
        let size = size_of::<bindings::bpf_prog>() + len as usize * size_of::<Insn>();
        size <= usize::from(u16::MAX) * PAGE_SIZE
    }

    /// Makes room for `len` insns in the program. Returns the bytes that took.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` if the program's pages were too many to count. The program is as before.
    pub(crate) fn reserve(&mut self, len: u32) -> Result<usize> {
        if !Self::fits(len) {
            return Err(E2BIG);
        }
        // SAFETY: By the type invariants. If the program moves, the old one is freed and
        // `prog->aux` knows the new one.
        let prog = unsafe { bpf_patcher_prog_realloc(self.prog, len) };
        if prog.is_null() {
            return Err(ENOMEM);
        }
        let moved = prog != self.prog;
        // SAFETY: It is the same program.
        unsafe { self.set_prog(prog) };
        Ok(if moved {
            len as usize * size_of::<Insn>()
        } else {
            0
        })
    }

    /// Has the verifier gone through the program, so that it has aux data?
    pub(crate) fn is_verified(&self) -> bool {
        !self.env.is_null()
    }

    /// Is a device to run the program?
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn is_offloaded(&self) -> bool {
        // SAFETY: By the type invariants; nobody writes the bit any more.
        unsafe { (*self.outside.prog_aux).offload_requested }
    }

    /// Returns how many insns were put in front of a verified program, before what its passes record.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn prologue_len(&self) -> u32 {
        match self.is_verified() {
            // SAFETY: By the type invariants.
            true => unsafe { (*self.env).prologue_cnt },
            false => 0,
        }
    }

    /// Returns how many subprogs the kernel has added to a verified program.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) fn hidden_subprogs(&self) -> u32 {
        match self.is_verified() {
            // SAFETY: By the type invariants.
            true => unsafe { (*self.env).hidden_subprog_cnt },
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
        unsafe { (*self.env).watched.cast::<Accepted>().as_ref() }
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
        if !Self::fits(len) {
            return Err(E2BIG);
        }
        // SAFETY: By the type invariants.
        let (old, old_len) = unsafe { ((*self.env).insn_aux_data, (*self.env).insn_aux_data_len) };
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
        unsafe { (*self.env).insn_aux_data = new };
        Ok(if new == old { 0 } else { new_layout.size() })
    }

    /// Frees what the aux data of insns that are to be removed owns.
    pub(crate) fn clear_aux(&mut self, idx: u32, cnt: u32) {
        if !self.env.is_null() {
            // SAFETY: By the type invariants; the insns are in the program, whose length is less
            // than 2^31.
            unsafe { bindings::bpf_clear_insn_aux_data(self.env, idx as i32, cnt as i32) };
        }
    }

    /// Returns a function that tells whether an insn of this program defines a 32-bit subregister,
    /// which then is zero-extended.
    pub(crate) fn zero_extends(&self) -> impl Fn(&Insn) -> bool + use<> {
        let prog = self.prog;
        move |insn: &Insn| {
            // SAFETY: By the type invariants; the C function reads `insn` and `prog->aux->arena`.
            unsafe { bindings::bpf_insn_def32(prog, core::ptr::from_ref(insn).cast_mut()) >= 0 }
        }
    }

    /// Returns the program and what goes with it: all the insns that stand and their aux data, and for
    /// `room` insns at least, for which there is room.
    pub(crate) fn program(&mut self, room: u32) -> Program<'_> {
        let (len, env, prog_aux) = (self.len(), self.env, self.outside.prog_aux);
        // SAFETY: By the type invariants, and as the caller has made room.
        let insns = unsafe { slice(self.insns_ptr(), len.max(room)) };
        // SAFETY: By the type invariants.
        let linfo = unsafe { slice((*prog_aux).linfo, (*prog_aux).nr_linfo) };
        if env.is_null() {
            return Program {
                insns,
                linfo,
                verified: None,
            };
        }

        // SAFETY: By the type invariants. `func_info_aux` has as many entries as `func_info` if
        // any.
        let verified = unsafe {
            Verified {
                aux: slice((*env).insn_aux_data, (*env).insn_aux_data_len.max(room)),
                subprogs: slice(
                    (&raw mut (*env).subprog_info).cast(),
                    (*env).subprog_cnt + 1,
                ),
                func_info: slice((*prog_aux).func_info, (*prog_aux).func_info_cnt),
                func_info_aux: slice((*prog_aux).func_info_aux, (*prog_aux).func_info_cnt),
                positions: &mut self.outside,
            }
        };
        Program {
            insns,
            linfo,
            verified: Some(verified),
        }
    }

    /// Makes the rewritten program, of `new_len` insns, the one that stands.
    pub(crate) fn commit(&mut self, new_len: u32, outcome: &Outcome) {
        let (env, prog_aux) = (self.env, self.outside.prog_aux);
        // SAFETY: By the type invariants.
        unsafe {
            (*self.prog).len = new_len;
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
