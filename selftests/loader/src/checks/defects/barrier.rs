// SPDX-License-Identifier: GPL-2.0

//! Jumps that are unsafe under speculation, so that a barrier is put in front of each: one that leads back,
//! and one that becomes a nop.

use std::io;

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_PROG_TYPE_SOCKET_FILTER};

use super::aim::target;
use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call, exit, ja, jmp, jmp_reg, ldx, mov, mov_reg, Cond, Insn, Op, NOSPEC,
};
use crate::bpf::skb::{LEN, PROTOCOL};
use crate::bpf::Spec;
use crate::kernel::unpriv;

/// The insn that the backward jump with `code` leads to.
fn target_of(insns: &[Insn], code: u8) -> Option<Insn> {
    let from = insns
        .iter()
        .position(|insn| insn.code == code && insn.off < 0)?;
    let to = usize::try_from(target(insns, from)?).ok()?;
    insns.get(to).copied()
}

pub fn leads_back() -> io::Result<Finding> {
    let aim = mov(0, 1);
    let compare = jmp_reg(Cond::Gt, 3, 4, -10);
    let insns = vec![
        mov(0, 0),
        ldx(W, 4, 1, LEN),
        ja(3),
        aim,
        alu_imm(W64, Op::Add, 0, 4),
        exit(),
        ldx(W, 3, 1, PROTOCOL),
        mov_reg(5, 4),
        alu_imm(W64, Op::And, 5, 1),
        // Never, but for a mispredicted moment.
        jmp(Cond::Gt, 5, 5, 1),
        ja(1),
        mov_reg(3, 1),
        compare,
        mov(0, 2),
        exit(),
    ];
    let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "backward_jump", insns);
    spec.unprivileged = true;
    let allowed = unpriv::allow()?;
    let outcome = load(&spec)?;
    drop(allowed);
    let verdict = match &outcome {
        Outcome::Loaded(Loaded { insns, .. }) => {
            if !insns.iter().any(|insn| insn.code == NOSPEC) {
                return Finding::not_here("the processor needs no barriers");
            }
            if target_of(insns, compare.code) == Some(aim) {
                Verdict::Right
            } else {
                Verdict::Shows
            }
        }
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}

/// A jump that is never taken, to dead code. Its register is not set if the jump before it is mispredicted.
pub fn becomes_nop() -> io::Result<Finding> {
    let set = mov(7, 7);
    let insns = vec![
        call(BPF_FUNC_get_prandom_u32),
        alu_imm(W64, Op::And, 0, 7),
        // Here the barrier is in front of an insn that stays.
        jmp(Cond::Gt, 0, 10, 1),
        mov(8, 8),
        mov_reg(5, 8),
        jmp(Cond::Gt, 0, 10, 1),
        set,
        jmp(Cond::Ne, 7, 7, 2),
        mov(0, 0),
        exit(),
        mov(0, 1),
        exit(),
    ];
    let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "nop_nospec", insns);
    spec.cap_bpf = true;
    let outcome = load(&spec)?;
    let verdict = match &outcome {
        Outcome::Loaded(Loaded { insns, .. }) => {
            if !insns.iter().any(|insn| insn.code == NOSPEC) {
                return Finding::not_here("the processor needs no barriers");
            }
            let at = insns.iter().position(|&insn| insn == set);
            match at.and_then(|at| insns.get(at + 1)) {
                Some(next) if next.code == NOSPEC => Verdict::Right,
                _ => Verdict::Shows,
            }
        }
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}
