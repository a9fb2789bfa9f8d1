// SPDX-License-Identifier: GPL-2.0

//! The program of a session as C has it, and as slices: the only code that touches C's structures.

use super::{
    engine::{
        abi::{
            Array,
            Insn,
            InsnAux, //
        },
        aux::{
            Aux,
            NewAux, //
        },
        positions::Positions,
        Outcome,
        Program,
        Verified, //
    },
    mode,
    verify::load::Accepted, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
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

/// Returns the array behind a pointer of C's, and its length. An empty array has none to free:
/// null.
fn into_raw<T>(array: Array<T>) -> (*mut T, u32) {
    if array.is_empty() {
        return (core::ptr::null_mut(), 0);
    }
    let (ptr, len, _) = array.into_raw_parts();
    // Arrays are for insns, whose number is a u32.
    (ptr, len as u32)
}

/// Lets others run; to be called now and then in long loops. Returns whether the loading process is
/// being killed.
pub(crate) fn must_abort() -> bool {
    // SAFETY: Sessions are used by the task that loads a program, in process context and without a
    // lock that forbids to sleep.
    unsafe { bindings::bpf_rewrite_must_abort() }
}

/// The program of a session.
///
/// # Invariants
///
/// - `prog` is a program that only the task that loads it changes, and that it leaves to us until
///   the session ends. Its `aux` is valid and stays the same when the program moves.
/// - `env` is null or the verifier's environment of `prog`, with `subprog_cnt + 1` subprogs and, if
///   it has `aux_slots`, `prog->len` of them, from `kvmalloc` as `aux_added` is. Otherwise it has
///   `prog->len` entries in `insn_aux_data`. The counts in both structures are those of their
///   arrays.
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
    /// Aux data may move where its array has room.
    aux_moves: bool,
    /// Jumps may be relaxed where the kernel and the module's parameter allow it.
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
            aux_moves: true,
            relaxes: true,
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
            unsafe { bindings::bpf_patcher_report_range(self.env, idx) };
        }
    }

    /// May jumps of the program be relaxed? Whoever runs it has to know `gotol`.
    pub(crate) fn may_relax(&self) -> bool {
        // SAFETY: By the type invariants.
        self.relaxes && mode::far_jumps() && unsafe { bindings::bpf_patcher_may_relax(self.prog) }
    }

    /// Tells the program's author that the jump of insn `idx`, or one of its patch, is relaxed.
    pub(crate) fn report_relaxed(&self, idx: u32) {
        if !self.env.is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::bpf_patcher_report_relaxed(self.env, idx) };
        }
    }

    /// Makes room for `len` insns in the program. Returns the bytes that took.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` if the program's pages were too many to count. The program is as before.
    pub(crate) fn reserve(&mut self, len: u32) -> Result<usize> {
        // SAFETY: By the type invariants. If the program moves, the old one is freed and
        // `prog->aux` knows the new one.
        let prog = from_err_ptr(unsafe { bindings::bpf_patcher_reserve(self.prog, len) })?;
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
    pub(crate) fn is_offloaded(&self) -> bool {
        // SAFETY: By the type invariants; nobody writes the bit any more.
        unsafe { (*self.outside.prog_aux).offload_requested }
    }

    /// Returns how many insns were put in front of a verified program, before what its passes record.
    pub(crate) fn prologue_len(&self) -> u32 {
        match self.is_verified() {
            // SAFETY: By the type invariants.
            true => unsafe { (*self.env).prologue_cnt },
            false => 0,
        }
    }

    /// Returns how many subprogs the kernel has added to a verified program.
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
    pub(crate) unsafe fn accepted<'a>(&self) -> Option<&'a Accepted> {
        if !self.is_verified() {
            return None;
        }
        // SAFETY: By the type invariants and as the caller promises, this is null or what `entry` gave to C.
        unsafe { (*self.env).load.cast::<Accepted>().as_ref() }
    }

    /// Has a verified program slots?
    pub(crate) fn has_slots(&self) -> bool {
        // SAFETY: By the type invariants.
        self.is_verified() && unsafe { !(*self.env).aux_slots.is_null() }
    }

    /// Returns the entries of aux data of insns that rewriting has added.
    pub(crate) fn added_aux(&self) -> &[InsnAux] {
        if !self.is_verified() {
            return &[];
        }
        // SAFETY: By the type invariants.
        unsafe { slice_ref((*self.env).aux_added, (*self.env).aux_added_len) }
    }

    /// Lets aux data stay, for tests: their programs are short, so that it would always move.
    #[cfg(CONFIG_BPF_PATCHER_KUNIT_TEST)]
    pub(crate) fn keep_aux(&mut self) {
        self.aux_moves = false;
    }

    /// Lets jumps that are too far be refused.
    pub(crate) fn refuse_far_jumps(&mut self) {
        self.relaxes = false;
    }

    /// Makes room for the aux data of `len` insns where it is, if it may move there: if the program has
    /// no slots, and the pages of the array are enough.
    pub(crate) fn grow_aux(&mut self, len: u32) -> bool {
        if !self.aux_moves || !self.is_verified() || self.has_slots() {
            return false;
        }
        // SAFETY: By the type invariants.
        let old_len = unsafe { (*self.env).insn_aux_data_len };
        let bytes = |len: u32| len as usize * size_of::<InsnAux>();
        // SAFETY: By the type invariants; the program is verified. The array stays where it is.
        bytes(len) <= bytes(old_len).next_multiple_of(PAGE_SIZE)
            && (len <= self.len() || unsafe { bindings::bpf_patcher_grow_aux(self.env, len) })
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

    /// Returns the program and what goes with it: all the insns that stand, and `room` at least, for
    /// which there is room; all entries of aux data, and `aux_room` at least, likewise.
    pub(crate) fn program(&mut self, room: u32, aux_room: u32) -> Program<'_> {
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
                aux: Aux {
                    entries: slice((*env).insn_aux_data, (*env).insn_aux_data_len.max(aux_room)),
                    added: slice((*env).aux_added, (*env).aux_added_len),
                    slots: match (*env).aux_slots.is_null() {
                        true => None,
                        false => Some(slice_ref((*env).aux_slots, len)),
                    },
                },
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
    pub(crate) fn commit(&mut self, new_len: u32, outcome: &Outcome, new_aux: NewAux) {
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
        }
        match new_aux {
            NewAux::Stay => {}
            NewAux::Move => {
                // SAFETY: By the type invariants.
                unsafe { (*env).insn_aux_data_len = new_len };
            }
            NewAux::Slots { slots, added } => {
                let (slots, _) = into_raw(slots);
                // SAFETY: By the type invariants, the old ones came from `kvmalloc`, or are null.
                unsafe {
                    bindings::kvfree((*env).aux_slots.cast());
                    (*env).aux_slots = slots;
                }
                if let Some(added) = added {
                    let (added, len) = into_raw(added);
                    // SAFETY: As above; their entries own nothing.
                    unsafe {
                        bindings::kvfree((*env).aux_added.cast());
                        (*env).aux_added = added;
                        // What was allocated and not used counts as used: it is little.
                        (*env).aux_added_len = len;
                    }
                }
            }
        }
    }
}
