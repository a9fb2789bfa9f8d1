// SPDX-License-Identifier: GPL-2.0

//! A program as the verifier has it, on which sessions are checked as in mode `verify`.

use crate::{
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

    /// A session with the edits of `log`, as in mode `verify`. Returns what linearize did.
    ///
    /// # Errors
    ///
    /// `EBADE` if the results differ.
    pub(super) fn session(&mut self, log: &Log) -> Result<Result> {
        // SAFETY: Nobody else refers to the program until the session ends.
        let target = unsafe { Target::new(self.target.prog(), self.target.env()) };
        let pass = bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CNT;
        let mut session = Session::new(target, pass, true)?;
        for edit in log.edits() {
            let cnt = edit.cnt;
            let insns = log.insns(edit);
            session
                .log
                .record(edit.kind, edit.idx, cnt, insns, edit.flags)?;
        }

        let before = STATS.verify_differences.get();
        let result = session.linearize();
        // SAFETY: It is the same program.
        unsafe { self.target.set_prog(session.prog()) };
        match STATS.verify_differences.get() == before {
            true => Ok(result),
            false => Err(EBADE),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; a program that has moved is known to `env`.
        unsafe { bpf_patcher_test_free(self.env) };
    }
}

/// Records an edit.
pub(super) fn record(
    log: &mut Log,
    kind: Kind,
    idx: u32,
    insns: &[crate::abi::Insn],
    flags: u32,
) -> Result {
    log.record(kind, idx, insns.len() as u32, insns, flags as u8)
}
