// SPDX-License-Identifier: GPL-2.0

//! A program as the verifier has it, on which sessions are checked as in mode `verify`.

use super::super::engine::harness::{
    exit,
    mov, //
};
use crate::{
    engine::{
        abi::Insn,
        host::Host,
        log::Log,
        Program, //
    },
    pass::Pass,
    session::Session,
    stats::STATS,
    view::View, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// As in `fixture.h`: how many there are of each.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) insns: u32,
    pub(crate) subprogs: u32,
    pub(crate) linfo: u32,
    pub(crate) func_info: u32,
    pub(crate) poke: u32,
    pub(crate) arrays: u32,
    pub(crate) array_values: u32,
}

// As in `fixture.h`. `bpf_verifier_env` is C's own type, only that bindgen has it.
#[expect(improper_ctypes)]
extern "C" {
    fn bpf_patcher_test_new(size: *const Size) -> *mut bindings::bpf_verifier_env;
    fn bpf_patcher_test_free(env: *mut bindings::bpf_verifier_env);
    fn bpf_patcher_test_sessions() -> kernel::ffi::c_ulong;
    fn bpf_patcher_test_seed() -> kernel::ffi::c_ulong;
    fn bpf_patcher_test_case() -> kernel::ffi::c_long;
    fn bpf_patcher_test_kill(pending: bool);
}

/// The suite's parameters, of the module.
pub(crate) struct Params {
    pub(crate) sessions: u64,
    pub(crate) seed: u64,
    /// The only one to run.
    pub(crate) case: Option<u64>,
}

impl Params {
    pub(crate) fn get() -> Self {
        // SAFETY: The functions take nothing and read one number each.
        let (sessions, seed, case) = unsafe {
            (
                bpf_patcher_test_sessions(),
                bpf_patcher_test_seed(),
                bpf_patcher_test_case(),
            )
        };
        Self {
            sessions: sessions as u64,
            seed: seed as u64,
            case: u64::try_from(case).ok(),
        }
    }
}

/// Runs `f` while this process is being killed.
pub(crate) fn while_killed<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: The function may be called at any time; the signal is taken back below.
    unsafe { bpf_patcher_test_kill(true) };
    let result = f();
    // SAFETY: As above.
    unsafe { bpf_patcher_test_kill(false) };
    result
}

/// What a hand-written program has besides its insns; see `harness::Case` for the numbers.
#[derive(Default)]
pub(crate) struct Extras<'a> {
    /// Starts of subprogs but the first.
    pub(crate) subprogs: &'a [u32],
    /// Insns with line info, whose `line_off` is 1000 + the insn.
    pub(crate) lines: &'a [u32],
    /// Tail calls with a poke descriptor.
    pub(crate) poke: &'a [u32],
    /// Values of an insn array.
    pub(crate) array: &'a [u32],
}

/// # Invariants
///
/// `env` is what `bpf_patcher_test_new` returned, and `view` is of it.
pub(crate) struct Fixture {
    env: *mut bindings::bpf_verifier_env,
    view: View,
    relaxes: bool,
}

impl Fixture {
    pub(crate) fn new(size: &Size) -> Result<Self> {
        // SAFETY: `size` is what the function wants.
        let env = unsafe { bpf_patcher_test_new(size) };
        if env.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: As said.
        Ok(Self {
            env,
            // SAFETY: `env` and its program are as the verifier makes them.
            view: unsafe { View::new((*env).prog, env) },
            relaxes: false,
        })
    }

    /// Lets jumps that are too far be relaxed in each session, if `relaxes`, and not be refused.
    pub(crate) fn relax_far_jumps(&mut self, relaxes: bool) {
        self.relaxes = relaxes;
    }

    /// A program of `insns`, each seen as often as its number and one more.
    pub(crate) fn of(insns: &[Insn], extras: &Extras<'_>) -> Result<Self> {
        let len = insns.len() as u32;
        let subprogs = extras.subprogs.len() as u32 + 1;
        let mut fixture = Self::new(&Size {
            insns: len,
            subprogs,
            linfo: extras.lines.len() as u32,
            func_info: subprogs,
            poke: extras.poke.len() as u32,
            arrays: u32::from(!extras.array.is_empty()),
            array_values: extras.array.len() as u32,
        })?;
        fixture.fill(|program| {
            program.insns.copy_from_slice(insns);
            for (linfo, &off) in program.linfo.iter_mut().zip(extras.lines) {
                linfo.insn_off = off;
                linfo.line_off = 1000 + off;
            }
            let Some(verified) = program.verified else {
                return;
            };
            for (entry, i) in verified.aux.iter_mut().zip(1..) {
                entry.seen = i;
            }
            for (subprog, i) in verified.subprogs.iter_mut().zip(0usize..) {
                let start = match i.checked_sub(1) {
                    None => 0,
                    Some(i) => extras.subprogs.get(i).copied().unwrap_or(len),
                };
                subprog.start = start;
                let has_line = start < len;
                let idx = extras.lines.partition_point(|&line| line < start);
                subprog.linfo_idx = if has_line { idx as u32 } else { 0 };
            }
            for (info, i) in verified.func_info.iter_mut().zip(1..) {
                info.type_id = i;
            }
        });
        fixture.fill_poke(extras.poke);
        fixture.fill_arrays(extras.array);
        Ok(fixture)
    }

    /// A program of `len` insns with those of `at` at their places, the last an exit.
    pub(crate) fn long(len: usize, at: &[(usize, Insn)]) -> Result<Self> {
        let mut insns = KVVec::new();
        insns.resize(len, mov(0), GFP_KERNEL)?;
        insns[len - 1] = exit();
        for &(idx, insn) in at {
            insns[idx] = insn;
        }
        Self::of(&insns, &Extras::default())
    }

    /// One session with what `edit` records. The errors are those of linearize.
    ///
    /// # Errors
    ///
    /// As for [`Fixture::session`].
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Log) -> Result) -> Result {
        let mut log = Log::new(self.view.len());
        edit(&mut log)?;
        self.session(&log)?
    }

    /// Puts `insn` where the program has no insn any more: behind its last one, within its pages.
    pub(crate) fn leave_behind(&mut self, insn: Insn) -> Result {
        let len = self.view.len();
        self.view.reserve(len + 1)?;
        self.view.reserve_aux(len + 1)?;
        self.view.program(len + 1).0.insns[len as usize] = insn;
        Ok(())
    }

    /// Does `bpf_patch_insn_data()` put `patch` in place of insn `at`?
    pub(crate) fn patch_as_stock(&mut self, at: u32, patch: &[Insn]) -> bool {
        let len = patch.len() as u32;
        // SAFETY: By the type invariants; `at` is an insn's.
        self.patched(unsafe { bindings::bpf_patch_insn_data(self.env, at, patch.as_ptr(), len) })
    }

    /// Does `bpf_prepend_insn_data()` put all but the last of `patch`, which is room for one more,
    /// in front of insn `at`?
    pub(crate) fn prepend_as_stock(&mut self, at: u32, patch: &mut [Insn], skipped: bool) -> bool {
        let (insns, cnt) = (patch.as_mut_ptr(), patch.len() as u32 - 1);
        // SAFETY: By the type invariants; `at` is an insn's.
        self.patched(unsafe { bindings::bpf_prepend_insn_data(self.env, at, insns, cnt, skipped) })
    }

    fn patched(&mut self, prog: *mut bindings::bpf_prog) -> bool {
        if prog.is_null() {
            return false;
        }
        // SAFETY: It is the same program.
        unsafe { self.view.set_prog(prog) };
        true
    }

    /// Are the insns those of `expected`?
    pub(crate) fn is(&self, expected: &[Insn]) -> bool {
        let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
        let insns = self.insns();
        insns.len() == expected.len() && insns.iter().zip(expected).all(|(i, e)| key(i) == key(e))
    }

    /// Are the values of the insn arrays those of `expected`?
    pub(crate) fn array_is(&mut self, expected: &[u32]) -> bool {
        let (mut same, mut i) = (true, 0);
        self.view.host().insn_arrays(&mut |value| {
            same &= expected.get(i) == Some(&value);
            i += 1;
            value
        });
        same && i == expected.len()
    }

    /// What goes with the program, to be filled before the first session.
    pub(crate) fn fill(&mut self, f: impl FnOnce(Program<'_>)) {
        f(self.program());
    }

    /// The poke descriptors, to be filled likewise.
    pub(crate) fn fill_poke(&mut self, idxs: &[u32]) {
        let mut idxs = idxs.iter();
        self.view
            .host()
            .poke(&mut |old| idxs.next().copied().unwrap_or(old));
    }

    /// The values of insn arrays, one array behind the other, to be filled likewise.
    pub(crate) fn fill_arrays(&mut self, offs: &[u32]) {
        let mut offs = offs.iter();
        self.view
            .host()
            .insn_arrays(&mut |old| offs.next().copied().unwrap_or(old));
    }

    /// The program as it stands, with what goes with it.
    pub(crate) fn program(&mut self) -> Program<'_> {
        self.view.program(0).0
    }

    /// Where the program is.
    pub(crate) fn prog(&self) -> *const kernel::ffi::c_void {
        self.view.prog().cast_const().cast()
    }

    pub(crate) fn insns(&self) -> &[Insn] {
        self.view.insns()
    }

    /// The position of poke descriptor `i`, if there are so many.
    pub(crate) fn poke(&self, i: usize) -> Option<u32> {
        self.view.poke(i)
    }

    /// Where the poke descriptors are.
    pub(crate) fn poke_table(&self) -> *const kernel::ffi::c_void {
        // SAFETY: By the type invariants.
        unsafe { (*(*self.view.prog()).aux).poke_tab.cast_const().cast() }
    }

    /// A session on the program, which is to end before anything else is done with it.
    pub(crate) fn open(&mut self, verify: bool) -> Result<KBox<Session>> {
        // SAFETY: Nobody else refers to the program until the session ends.
        let mut view = unsafe { View::new(self.view.prog(), self.view.env()) };
        if self.relaxes {
            view.allow_far_jumps();
        }
        Session::begin(view, Pass::CTX, verify)
    }

    /// The same, only that nothing is compared.
    pub(crate) fn edit_unchecked(&mut self, edit: impl FnOnce(&mut Log) -> Result) -> Result {
        let mut log = Log::new(self.view.len());
        edit(&mut log)?;
        self.linearize(&log, false)
    }

    /// A session with the edits of `log`, as in mode `verify`. Returns what linearize did.
    ///
    /// # Errors
    ///
    /// `EBADE` if the results differ.
    pub(crate) fn session(&mut self, log: &Log) -> Result<Result> {
        let before = STATS.verify_differences.get();
        let result = self.linearize(log, true);
        match STATS.verify_differences.get() == before {
            true => Ok(result),
            false => Err(EBADE),
        }
    }

    fn linearize(&mut self, log: &Log, verify: bool) -> Result {
        let mut session = self.open(verify)?;
        for edit in log.edits() {
            session.record(|session_log| match edit.removes() {
                true => session_log.remove(edit.idx, edit.end() - edit.idx),
                false => session_log.record(edit.idx, edit.kind, log.patch(edit)),
            })?;
        }

        let result = session.linearize();
        // SAFETY: It is the same program.
        unsafe { self.view.set_prog(session.prog()) };
        Session::end(session);
        result
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; a program that has moved is known to `env`.
        unsafe { bpf_patcher_test_free(self.env) };
    }
}
