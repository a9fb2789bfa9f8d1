// SPDX-License-Identifier: GPL-2.0

//! A program as the verifier has it, on which sessions are checked as in mode `verify`.

use super::super::harness::{
    exit,
    mov, //
};
use crate::{
    abi::Insn,
    engine::Program,
    log::{
        Kind,
        Log, //
    },
    session::Session,
    stats::STATS,
    view::{
        NewAux,
        State,
        Target, //
    },
};
use kernel::{
    bindings,
    prelude::*, //
};

/// As in `bench.h`: how many there are of each.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) insns: u32,
    pub(super) subprogs: u32,
    pub(super) linfo: u32,
    pub(super) func_info: u32,
    pub(super) poke: u32,
    pub(super) arrays: u32,
    pub(super) array_values: u32,
}

// As in `bench.h`. `bpf_verifier_env` is C's own type, only that bindgen has it.
#[expect(improper_ctypes)]
extern "C" {
    fn bpf_patcher_test_new(size: *const Size) -> *mut bindings::bpf_verifier_env;
    fn bpf_patcher_test_free(env: *mut bindings::bpf_verifier_env);
    fn bpf_patcher_test_sessions() -> kernel::ffi::c_ulong;
    fn bpf_patcher_test_seed() -> kernel::ffi::c_ulong;
    fn bpf_patcher_test_case() -> kernel::ffi::c_long;
}

/// The suite's parameters, of the module.
pub(super) struct Params {
    pub(super) sessions: u64,
    pub(super) seed: u64,
    /// The only one to run.
    pub(super) case: Option<u64>,
}

impl Params {
    pub(super) fn get() -> Self {
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

/// What a hand-written program has besides its insns; see `harness::Case` for the numbers.
#[derive(Default)]
pub(super) struct Extras<'a> {
    /// Starts of subprogs but the first.
    pub(super) subprogs: &'a [u32],
    /// Insns with line info, whose `line_off` is 1000 + the insn.
    pub(super) lines: &'a [u32],
    /// Tail calls with a poke descriptor.
    pub(super) poke: &'a [u32],
    /// Values of an insn array.
    pub(super) array: &'a [u32],
}

/// # Invariants
///
/// `env` is what `bpf_patcher_test_new` returned, and `target` is about it.
pub(super) struct Bench {
    env: *mut bindings::bpf_verifier_env,
    target: Target,
}

impl Bench {
    pub(super) fn new(size: &Size) -> Result<Self> {
        // SAFETY: `size` is what the function wants.
        let env = unsafe { bpf_patcher_test_new(size) };
        if env.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: As said.
        Ok(Self {
            env,
            // SAFETY: `env` and its program are as the verifier makes them.
            target: unsafe { Target::new((*env).prog, env) },
        })
    }

    /// A program of `insns`, each seen as often as its number and one more.
    pub(super) fn of(insns: &[Insn], extras: &Extras<'_>) -> Result<Self> {
        let len = insns.len() as u32;
        let subprogs = extras.subprogs.len() as u32 + 1;
        let mut bench = Self::new(&Size {
            insns: len,
            subprogs,
            linfo: extras.lines.len() as u32,
            func_info: subprogs,
            poke: extras.poke.len() as u32,
            arrays: u32::from(!extras.array.is_empty()),
            array_values: extras.array.len() as u32,
        })?;
        bench.fill(|program| {
            program.insns.copy_from_slice(insns);
            for (linfo, &off) in program.linfo.iter_mut().zip(extras.lines) {
                linfo.insn_off = off;
                linfo.line_off = 1000 + off;
            }
            let Some(verified) = program.verified else {
                return;
            };
            for (entry, i) in verified.aux.entries.iter_mut().zip(1..) {
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
            for (desc, &idx) in verified.poke.iter_mut().zip(extras.poke) {
                desc.insn_idx = idx;
            }
        });
        bench.fill_array(0, extras.array);
        Ok(bench)
    }

    /// A program of `len` insns with those of `at` at their places, the last an exit.
    pub(super) fn long(len: usize, at: &[(usize, Insn)]) -> Result<Self> {
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
    /// As for [`Bench::session`].
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Log) -> Result) -> Result {
        let mut log = Log::new(self.target.len());
        edit(&mut log)?;
        self.session(&log)?
    }

    /// Insn `idx`, to be changed in place.
    pub(super) fn insn_mut(&mut self, idx: usize) -> &mut Insn {
        &mut self.target.insns_mut()[idx]
    }

    /// Puts `insn` where the program has no insn any more: behind its last one, within its pages.
    pub(super) fn leave_behind(&mut self, insn: Insn) -> Result {
        let len = self.target.len();
        self.target.reserve(len + 1)?;
        let mut aux = NewAux::default();
        self.target.program(len + 1, &mut aux).insns[len as usize] = insn;
        Ok(())
    }

    /// Does `bpf_patch_insn_data()` put `patch` in place of insn `at`?
    pub(super) fn patch_as_stock(&mut self, at: u32, patch: &[Insn]) -> bool {
        let len = patch.len() as u32;
        // SAFETY: By the type invariants; `at` is an insn's.
        let prog = unsafe { bindings::bpf_patch_insn_data(self.env, at, patch.as_ptr(), len) };
        if prog.is_null() {
            return false;
        }
        // SAFETY: It is the same program.
        unsafe { self.target.set_prog(prog) };
        true
    }

    /// Are the insns those of `expected`?
    pub(super) fn is(&self, expected: &[Insn]) -> bool {
        let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
        let insns = self.state().insns;
        insns.len() == expected.len() && insns.iter().zip(expected).all(|(i, e)| key(i) == key(e))
    }

    /// Are the values of the insn array those of `expected`?
    pub(super) fn array_is(&mut self, expected: &[u32]) -> bool {
        let mut same = false;
        self.target.for_each_insn_array(|_, values| {
            same = values.len() == expected.len()
                && values.iter().zip(expected).all(|(v, &e)| v.xlated_off == e);
        });
        same
    }

    /// What goes with the program, to be filled before the first session.
    pub(super) fn fill(&mut self, f: impl FnOnce(Program<'_>)) {
        let len = self.target.len();
        f(self.target.program(len, &mut NewAux::default()));
    }

    /// The values of insn arrays, to be filled likewise.
    pub(super) fn fill_array(&mut self, array: usize, offs: &[u32]) {
        self.target.for_each_insn_array(|i, values| {
            if i != array {
                return;
            }
            for (value, &off) in values.iter_mut().zip(offs) {
                value.orig_off = off;
                value.xlated_off = off;
            }
        });
    }

    pub(super) fn state(&self) -> State<'_> {
        self.target.state()
    }

    /// The same, only that nothing is compared.
    pub(super) fn edit_unchecked(&mut self, edit: impl FnOnce(&mut Log) -> Result) -> Result {
        let mut log = Log::new(self.target.len());
        edit(&mut log)?;
        self.linearize(&log, false)
    }

    /// A session with the edits of `log`, as in mode `verify`. Returns what linearize did.
    ///
    /// # Errors
    ///
    /// `EBADE` if the results differ.
    pub(super) fn session(&mut self, log: &Log) -> Result<Result> {
        let before = STATS.verify_differences.get();
        let result = self.linearize(log, true);
        match STATS.verify_differences.get() == before {
            true => Ok(result),
            false => Err(EBADE),
        }
    }

    fn linearize(&mut self, log: &Log, verify: bool) -> Result {
        // SAFETY: Nobody else refers to the program until the session ends.
        let target = unsafe { Target::new(self.target.prog(), self.target.env()) };
        let pass = bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CNT;
        let mut session = Session::new(target, pass, verify)?;
        for edit in log.edits() {
            let cnt = edit.cnt;
            let insns = log.insns(edit);
            session
                .log
                .record(edit.kind, edit.idx, cnt, insns, edit.flags)?;
        }

        let result = session.linearize();
        // SAFETY: It is the same program.
        unsafe { self.target.set_prog(session.prog()) };
        result
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; a program that has moved is known to `env`.
        unsafe { bpf_patcher_test_free(self.env) };
    }
}

/// Records an edit.
pub(super) fn record(log: &mut Log, kind: Kind, idx: u32, insns: &[Insn], flags: u32) -> Result {
    log.record(kind, idx, insns.len() as u32, insns, flags as u8)
}
