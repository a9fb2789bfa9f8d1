// SPDX-License-Identifier: GPL-2.0

//! Jumps and calls that lead elsewhere, or have an offset that they should not have.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use libbpf_sys::{
    BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SOCKET_FILTER,
};

use super::{load, spec, Defect, Outcome};
use crate::bpf::insn::Size::{DW, W};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call_rel, exit, gotox, ja, jmp, jmp_reg, ld_map_value, ldx, may_goto, mov, mov_reg,
    Cond, Insn, Op, CALL_CODE, GOTOX, NOSPEC, PSEUDO_CALL,
};
use crate::bpf::skb::{LEN, PROTOCOL};
use crate::bpf::{create_insn_array, Spec};
use crate::kernel::sysctl::has_jit;

/// The insn that the first backward jump with `code` leads to.
fn target_of(insns: &[Insn], code: u8) -> Option<Insn> {
    let from = insns
        .iter()
        .position(|insn| insn.code == code && insn.off < 0)?;
    let to = from as i64 + 1 + i64::from(insns[from].off);
    insns.get(usize::try_from(to).ok()?).copied()
}

/// A backward call, the first insn of a subprogram in front of which slots for may_goto are put.
pub fn backward_call() -> Defect {
    let name = "backward_call";
    Defect {
        name,
        returns: Some(8),
        spec: spec(
            BPF_PROG_TYPE_SCHED_CLS,
            name,
            vec![
                call_rel(3),
                exit(),
                // The callee.
                mov(0, 7),
                exit(),
                // Calls it.
                call_rel(-3),
                may_goto(1),
                alu_imm(W64, Op::Add, 0, 1),
                exit(),
            ],
        ),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => callee_of(insns) == Some(mov(0, 7)),
            Outcome::Refused(..) => false,
        },
    }
}

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

/// A backward jump that is unsafe under speculation, so that a barrier is put in front of it.
pub fn backward_jump_behind_barrier() -> Defect {
    let name = "backward_jump_behind_barrier";
    let compare = jmp_reg(Cond::Gt, 3, 4, -10);
    let mut spec = spec(
        BPF_PROG_TYPE_SOCKET_FILTER,
        name,
        vec![
            mov(0, 0),
            ldx(W, 4, 1, LEN),
            ja(3),
            mov(0, 1),
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
        ],
    );
    spec.unprivileged = true;
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Loaded { insns, .. } if !insns.iter().any(|insn| insn.code == NOSPEC) => {
                Some("the processor needs no barriers")
            }
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => {
                let code = jmp_reg(Cond::Gt, 3, 4, 0).code;
                target_of(insns, code) == Some(mov(0, 1))
            }
            Outcome::Refused(..) => false,
        },
    }
}

/// A may_goto over as much as 16 bits tell; the jump that replaces it goes further.
pub fn far_may_goto() -> Defect {
    let name = "far_may_goto";
    let mut insns = vec![may_goto(i16::MAX)];
    insns.extend([mov(0, 1); i16::MAX as usize]);
    insns.extend([mov(0, 0), exit()]);
    Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_SCHED_CLS, name, insns),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { .. } => false,
            Outcome::Refused(_, reason) => reason.contains("cannot be patched due to 16-bit range"),
        },
    }
}

/// The insn of [`gotox_off`] that has the descriptor of its map.
const GOTOX_MAP: usize = 3;

/// An indirect jump in front of a subprogram that gets slots for may_goto; `None` on a kernel without
/// a JIT, which has no such jumps. To be loaded by [`load_with_insn_array`].
pub fn gotox_off() -> Option<Defect> {
    if !has_jit() {
        return None;
    }
    let name = "gotox_off";
    let [low, high] = ld_map_value(1, 0, 0);
    let insns = vec![
        call_rel(2),
        call_rel(8),
        exit(),
        low,
        high,
        ldx(DW, 1, 1, 0),
        ja(2),
        mov(0, 0),
        exit(),
        gotox(1),
        mov(0, 0),
        may_goto(1),
        alu_imm(W64, Op::Add, 0, 1),
        exit(),
    ];
    Some(Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_RAW_TRACEPOINT, name, insns),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => {
                let mut jumps = insns.iter().filter(|insn| insn.code == GOTOX);
                jumps.next().is_some_and(|insn| insn.off == 0) && jumps.next().is_none()
            }
            Outcome::Refused(..) => false,
        },
    })
}

/// Loads a program with an insn array of its own: it may be the only one.
pub fn load_with_insn_array(spec: &Spec) -> io::Result<(Outcome, Option<OwnedFd>)> {
    let map = create_insn_array(7)?;
    let mut spec = spec.clone();
    spec.insns[GOTOX_MAP].imm = map.as_raw_fd();
    load(&spec)
}
