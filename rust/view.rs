// SPDX-License-Identifier: GPL-2.0

//! The C side's program as slices, and the only code that touches its structures.

use super::{
    abi::{
        self,
        Array,
        FuncInfo,
        FuncInfoAux,
        Insn,
        InsnArrayValue,
        InsnAux,
        LineInfo,
        PokeDesc,
        Subprog, //
    },
    aux::{
        self,
        Aux, //
    },
    engine::{
        Outcome,
        Program,
        Verified, //
    },
    layout::Layout, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// What is allocated for the aux data of a new program.
#[derive(Default)]
pub(crate) struct NewAux {
    /// To be `aux_slots`, if they change.
    slots: Option<Array<u32>>,
    /// To be `aux_added`, if it has to be longer. What is in use is a copy of the old one.
    added: Option<Array<InsnAux>>,
}

impl NewAux {
    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.slots
            .as_ref()
            .map_or(0, |s| s.capacity() * size_of::<u32>())
            + self
                .added
                .as_ref()
                .map_or(0, |a| a.capacity() * size_of::<InsnAux>())
    }
}

/// A program and what goes with it, to look at.
pub(crate) struct State<'a> {
    pub(crate) insns: &'a [Insn],
    pub(crate) linfo: &'a [LineInfo],
    /// What only a verified program has.
    pub(crate) verified: Option<VerifiedState<'a>>,
}

/// What the verifier knows about a program.
pub(crate) struct VerifiedState<'a> {
    slots: Option<&'a [u32]>,
    entries: &'a [InsnAux],
    added: &'a [InsnAux],
    /// With the entry that marks the end of the program.
    pub(crate) subprogs: &'a [Subprog],
    pub(crate) func_info: &'a [FuncInfo],
    pub(crate) func_info_aux: &'a [FuncInfoAux],
    pub(crate) poke: &'a [PokeDesc],
}

impl VerifiedState<'_> {
    /// Aux data of insn `idx`, as `bpf_insn_aux()` finds it.
    pub(crate) fn aux(&self, idx: usize) -> &InsnAux {
        let slot = self.slots.map_or(idx, |slots| slots[idx] as usize);
        match slot.checked_sub(self.entries.len()) {
            Some(added) => &self.added[added],
            None => &self.entries[slot],
        }
    }
}

/// The program a session is about.
///
/// # Invariants
///
/// `prog` is a program that only the task that loads it knows of, and that it leaves to us until
/// the session ends; its `aux` is valid. `env` is null or the verifier's environment of `prog`,
/// with `subprog_cnt + 1` subprogs and, if it has `aux_slots`, `prog->len` of them, from
/// `kvmalloc` as `aux_added` is. Otherwise it has `prog->len` entries in `insn_aux_data`. The
/// counts in them are those of their arrays.
pub(crate) struct Target {
    prog: *mut bindings::bpf_prog,
    env: *mut bindings::bpf_verifier_env,
}

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

/// The bytes of a C structure that is made of zeroed memory and only copied as a whole, so that what
/// is between its fields has a value too.
pub(crate) fn bytes<T: Zeroable>(v: &T) -> &[u8] {
    // SAFETY: Every byte is initialised, see above.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(v).cast(), size_of::<T>()) }
}

impl Target {
    /// # Safety
    ///
    /// The arguments are as the type's invariants say, for as long as this lives.
    pub(crate) unsafe fn new(
        prog: *mut bindings::bpf_prog,
        env: *mut bindings::bpf_verifier_env,
    ) -> Self {
        // INVARIANT: The caller promises it.
        Self { prog, env }
    }

    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.prog
    }

    pub(crate) fn env(&self) -> *mut bindings::bpf_verifier_env {
        self.env
    }

    /// The program has moved to `prog`, or is another one.
    ///
    /// # Safety
    ///
    /// `prog` is as the type's invariants say.
    pub(crate) unsafe fn set_prog(&mut self, prog: *mut bindings::bpf_prog) {
        self.prog = prog;
        if !self.env.is_null() {
            // SAFETY: By the type invariants.
            unsafe { (*self.env).prog = prog };
        }
    }

    /// Name of the program, as its loader gave it.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: By the type invariants; the name ends in a 0.
        unsafe { CStr::from_char_ptr((&raw const (*(*self.prog).aux).name).cast()) }
    }

    /// The program as it stands.
    pub(crate) fn state(&self) -> State<'_> {
        // SAFETY: By the type invariants.
        let prog_aux = unsafe { &*(*self.prog).aux };
        // SAFETY: By the type invariants.
        let verified = unsafe { self.env.as_ref() }.map(|env| VerifiedState {
            slots: match env.aux_slots.is_null() {
                true => None,
                // SAFETY: By the type invariants.
                false => Some(unsafe { slice_ref(env.aux_slots, self.len()) }),
            },
            // SAFETY: By the type invariants.
            entries: unsafe { slice_ref(env.insn_aux_data, env.insn_aux_data_len) },
            // SAFETY: By the type invariants.
            added: unsafe { slice_ref(env.aux_added, env.aux_added_len) },
            subprogs: &env.subprog_info[..=env.subprog_cnt as usize],
            // SAFETY: By the type invariants.
            func_info: unsafe { slice_ref(prog_aux.func_info, prog_aux.func_info_cnt) },
            // SAFETY: By the type invariants, this has as many entries as `func_info` if any.
            func_info_aux: unsafe { slice_ref(prog_aux.func_info_aux, prog_aux.func_info_cnt) },
            // SAFETY: By the type invariants.
            poke: unsafe { slice_ref(prog_aux.poke_tab, prog_aux.size_poke_tab) },
        });
        State {
            insns: self.insns(),
            // SAFETY: By the type invariants.
            linfo: unsafe { slice_ref(prog_aux.linfo, prog_aux.nr_linfo) },
            verified,
        }
    }

    /// Number of insns.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.prog).len }
    }

    /// The insns as they stand.
    pub(crate) fn insns(&self) -> &[Insn] {
        // SAFETY: By the type invariants, the program has `len` insns and nobody changes them.
        unsafe { slice_ref(self.insns_ptr(), self.len()) }
    }

    pub(crate) fn insns_mut(&mut self) -> &mut [Insn] {
        // SAFETY: As for `insns`, and as we are the only ones to refer to them.
        unsafe { slice(self.insns_ptr(), self.len()) }
    }

    pub(crate) fn poke_mut(&mut self) -> &mut [PokeDesc] {
        // SAFETY: By the type invariants.
        unsafe {
            let prog_aux = &*(*self.prog).aux;
            slice(prog_aux.poke_tab, prog_aux.size_poke_tab)
        }
    }

    fn insns_ptr(&self) -> *mut Insn {
        // SAFETY: By the type invariants. The insns follow the structure's fixed part.
        unsafe { (&raw mut (*self.prog).__bindgen_anon_2).cast() }
    }

    /// Is linearize to give up when the loading process is being killed? Not for a program that
    /// the kernel made itself.
    pub(crate) fn may_abort(&self) -> bool {
        !self.env.is_null()
    }

    /// Tells the program's author that a jump no longer fits once insn `idx` is patched.
    pub(crate) fn report_range(&self, idx: u32) {
        if !self.env.is_null() {
            // SAFETY: By the type invariants; `idx` is an insn's.
            unsafe { bindings::bpf_patcher_report_range(self.env, idx) };
        }
    }

    /// Allocates what the aux data of the new program needs, `own` entries for added insns that
    /// do not share one among it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn alloc_aux(&self, layout: &Layout<'_>, own: u32) -> Result<NewAux> {
        let mut new = NewAux::default();
        // SAFETY: By the type invariants.
        let Some(env) = (unsafe { self.env.as_ref() }) else {
            return Ok(new);
        };
        if !layout.grows && !layout.shrinks && env.aux_slots.is_null() {
            return Ok(new);
        }

        new.slots = Some(abi::zeroed(layout.new_len() as usize)?);
        if env.aux_added_len == 0 || own > 0 {
            // SAFETY: By the type invariants.
            let old = unsafe { slice_ref(env.aux_added, env.aux_added_len) };
            let used = env.aux_added_len.max(aux::SHARED);
            let cap = used as usize + own as usize;
            let mut added = abi::zeroed::<InsnAux>(cap)?;
            added[..old.len()].copy_from_slice(old);
            for bits in env.aux_added_len..used {
                aux::fill_added(&mut added[bits as usize], bits);
            }
            new.added = Some(added);
        }
        Ok(new)
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

    /// The program and what goes with it, to be rewritten to `new_len` insns, for which there is
    /// room.
    pub(crate) fn program<'a>(&'a mut self, new_len: u32, new_aux: &'a mut NewAux) -> Program<'a> {
        let len = self.len();
        // SAFETY: By the type invariants, and as `reserve` has made room.
        let insns = unsafe { slice(self.insns_ptr(), len.max(new_len)) };
        // SAFETY: By the type invariants.
        let prog_aux = unsafe { &mut *(*self.prog).aux };
        // SAFETY: By the type invariants.
        let linfo = unsafe { slice(prog_aux.linfo, prog_aux.nr_linfo) };

        // SAFETY: By the type invariants.
        let verified = unsafe { self.env.as_mut() }.map(|env| Verified {
            aux: Aux {
                // SAFETY: By the type invariants.
                entries: unsafe { slice(env.insn_aux_data, env.insn_aux_data_len) },
                old_slots: match env.aux_slots.is_null() {
                    true => None,
                    // SAFETY: By the type invariants.
                    false => Some(unsafe { slice(env.aux_slots, len) }),
                },
                new_slots: new_aux.slots.as_deref_mut(),
                added_len: env.aux_added_len.max(aux::SHARED),
                added: match &mut new_aux.added {
                    Some(added) => added,
                    // SAFETY: By the type invariants.
                    None => unsafe { slice(env.aux_added, env.aux_added_len) },
                },
            },
            subprogs: &mut env.subprog_info[..=env.subprog_cnt as usize],
            // SAFETY: By the type invariants.
            func_info: unsafe { slice(prog_aux.func_info, prog_aux.func_info_cnt) },
            // SAFETY: By the type invariants, this has as many entries as `func_info` if any.
            func_info_aux: unsafe { slice(prog_aux.func_info_aux, prog_aux.func_info_cnt) },
            // SAFETY: By the type invariants.
            poke: unsafe { slice(prog_aux.poke_tab, prog_aux.size_poke_tab) },
        });
        Program {
            insns,
            linfo,
            verified,
        }
    }

    /// Calls `f` for the values of each insn array of the program, and which one it is.
    pub(crate) fn for_each_insn_array(&mut self, mut f: impl FnMut(usize, &mut [InsnArrayValue])) {
        // SAFETY: By the type invariants.
        let Some(env) = (unsafe { self.env.as_mut() }) else {
            return;
        };
        let maps = &env.insn_array_maps[..env.insn_array_map_cnt as usize];
        for (i, &map) in maps.iter().enumerate() {
            // SAFETY: The verifier holds a reference on the map, which is frozen and which no other
            // program may use. Whoever has its file descriptor may read the values at any time, as
            // with stock: of words that are written one by one, such a reader gets old or new ones.
            let values = unsafe { slice(bindings::bpf_insn_array_values(map), (*map).max_entries) };
            f(i, values);
        }
    }

    /// Makes the rewritten program the one that stands.
    pub(crate) fn commit(&mut self, new_len: u32, outcome: &Outcome, new_aux: NewAux) {
        // SAFETY: By the type invariants.
        let prog = unsafe { &mut *self.prog };
        prog.len = new_len;
        // SAFETY: By the type invariants.
        let prog_aux = unsafe { &mut *prog.aux };
        prog_aux.nr_linfo = outcome.linfo;

        // SAFETY: By the type invariants.
        let Some(env) = (unsafe { self.env.as_mut() }) else {
            return;
        };
        prog_aux.func_info_cnt = outcome.func_info;
        env.subprog_cnt = outcome.subprogs;
        if let Some(slots) = new_aux.slots {
            let (slots, _, _) = slots.into_raw_parts();
            let old = core::mem::replace(&mut env.aux_slots, slots);
            // SAFETY: By the type invariants, this came from `kvmalloc`, or is null.
            unsafe { bindings::kvfree(old.cast()) };
        }
        if let Some(added) = new_aux.added {
            let (added, len, _) = added.into_raw_parts();
            let old = core::mem::replace(&mut env.aux_added, added);
            // What was allocated and not used counts as used: it is little.
            env.aux_added_len = len as u32;
            // SAFETY: As above; its entries own nothing.
            unsafe { bindings::kvfree(old.cast()) };
        }
    }
}
