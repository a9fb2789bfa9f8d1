// SPDX-License-Identifier: GPL-2.0

//! A backward call, the first insn of a subprog that gets slots for may_goto.

use std::io;
use std::os::fd::AsFd;

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;

use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, call_rel, exit, may_goto, mov, Insn, Op, CALL_CODE, PSEUDO_CALL};
use crate::bpf::{self, Spec};

/// What the callee returns, and its caller after the loop: one more.
const CALLEE: i32 = 7;
const RETURNS: u32 = 8;

/// The insn that the first backward call leads to.
fn callee_of(insns: &[Insn]) -> Option<Insn> {
    // The kernel reports the distance in `off` when it has used `imm` for something else.
    let distance = |insn: &Insn| match insn.off {
        0 => insn.imm,
        off => off.into(),
    };
    let is_call = |insn: &Insn| insn.code == CALL_CODE && insn.src() == PSEUDO_CALL;
    let from = insns
        .iter()
        .position(|insn| is_call(insn) && distance(insn) < 0)?;
    let to = from as i64 + 1 + i64::from(distance(&insns[from]));
    insns.get(usize::try_from(to).ok()?).copied()
}

pub fn look() -> io::Result<Finding> {
    let insns = vec![
        call_rel(3),
        exit(),
        // The callee.
        mov(0, CALLEE),
        exit(),
        // Calls it.
        call_rel(-3),
        may_goto(1),
        alu_imm(W64, Op::Add, 0, 1),
        exit(),
    ];
    let outcome = load(&Spec::new(BPF_PROG_TYPE_SCHED_CLS, "backward_call", insns))?;
    let verdict = match &outcome {
        Outcome::Loaded(Loaded { insns, prog, .. }) => {
            if callee_of(insns) != Some(mov(0, CALLEE)) {
                Verdict::Shows
            } else if bpf::test_run(prog.as_fd())? == RETURNS {
                Verdict::Right
            } else {
                Verdict::Unclear
            }
        }
        // No subprog starts where the call leads.
        Outcome::Refused(libc::EFAULT, _) => Verdict::Shows,
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}
