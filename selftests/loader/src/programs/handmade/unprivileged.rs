// SPDX-License-Identifier: GPL-2.0

//! What the verifier adds for programs of ordinary users.

use std::os::fd::AsRawFd;

use libbpf_sys::{BPF_FUNC_map_lookup_elem, BPF_FUNC_tail_call};

use super::{ctx_of, filter, Maps, FP};
use crate::bpf::insn::Size::{B, DW, W};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, alu_reg, call, exit, jmp, ld_map_fd, ldx, mov, mov_reg, st, stx, Cond, Op,
};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// What the verifier adds for programs of ordinary users.
pub fn unprivileged(maps: &Maps) -> Vec<Spec> {
    let array = maps.array.as_raw_fd();
    let progs = maps.progs.as_raw_fd();
    // Always jumps; the processor may think otherwise, so the verifier looks at what follows too.
    let mispredicted = |off| [mov(0, 0), jmp(Cond::Eq, 0, 0, off)];
    let lookup = [
        &[
            st(W, FP, -4, 0),
            mov_reg(2, FP),
            alu_imm(W64, Op::Add, 2, -4),
        ][..],
        &ld_map_fd(1, array),
        &[call(BPF_FUNC_map_lookup_elem)],
    ]
    .concat();
    let value_at_r6 = [
        &lookup[..],
        &[
            jmp(Cond::Eq, 0, 0, 3),
            alu_reg(W64, Op::Add, 0, 6),
            ldx(B, 1, 0, 0),
            mov(0, 0),
            mov(0, 0),
            exit(),
        ],
    ]
    .concat();
    let specs = [
        // A barrier behind the store of a pointer.
        filter(
            "spilled_pointer",
            &[
                stx(DW, FP, -8, 1),
                ldx(DW, 6, FP, -8),
                ldx(W, 0, 6, IFINDEX),
                stx(DW, FP, -16, 6),
                mov(0, 0),
                exit(),
            ],
        ),
        // A barrier before a load that is also converted: r1 is a number if mispredicted.
        filter(
            "barrier_before_context",
            &[
                &mispredicted(1)[..],
                &[mov(1, 0), ctx_of(1), mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // A barrier before a conditional jump: r2 is a pointer if mispredicted.
        filter(
            "barrier_before_jump",
            &[
                &[mov(2, 1)][..],
                &mispredicted(1),
                &[
                    mov_reg(2, 1),
                    jmp(Cond::Eq, 2, 5, 1),
                    ctx_of(1),
                    mov(0, 0),
                    exit(),
                ],
            ]
            .concat(),
        ),
        // Dead code stays as an endless loop, with a barrier before it.
        filter(
            "barrier_before_dead",
            &[
                &mispredicted(2)[..],
                &[mov_reg(0, 1), exit(), ctx_of(1), mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // The index is masked.
        filter(
            "masked_pointer",
            &[
                &[ldx(W, 6, 1, LEN), alu_imm(W64, Op::And, 6, 15)][..],
                &value_at_r6,
            ]
            .concat(),
        ),
        // The same by a register that always has the same value.
        filter(
            "constant_pointer",
            &[&[mov(6, 15)][..], &value_at_r6].concat(),
        ),
        // The index is masked.
        filter(
            "tail_call",
            &[
                &[mov_reg(6, 1), ldx(W, 7, 6, LEN), ctx_of(6), mov_reg(1, 6)][..],
                &ld_map_fd(2, progs),
                &[mov_reg(3, 7), call(BPF_FUNC_tail_call), mov(0, 0), exit()],
            ]
            .concat(),
        ),
    ];
    specs
        .map(|spec| Spec {
            name: format!("unpriv_{}", spec.name),
            unprivileged: true,
            ..spec
        })
        .to_vec()
}
