// SPDX-License-Identifier: GPL-2.0

//! Functions and loops.

use libbpf_sys::BPF_FUNC_tail_call;

use super::{ctx_of, filter};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call, call_rel, exit, ja, jmp, ld_map_fd, ldx, may_goto, mov, mov_reg, Cond, Op,
};
use crate::bpf::skb::IFINDEX;
use crate::bpf::Spec;

/// Functions and loops, and a tail call to a program of the map `progs`.
pub fn calls(progs: i32) -> Vec<Spec> {
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter("may_goto", &[mov(0, 0), may_goto(1), ja(-3), exit()]),
        // Both functions need room for a counter in their frames.
        filter(
            "may_goto_in_functions",
            &[
                mov(0, 0),
                may_goto(1),
                ja(-3),
                call_rel(1),
                exit(),
                mov(0, 0),
                may_goto(1),
                ja(-3),
                exit(),
            ],
        ),
        // The first instruction of the program is a jump target too.
        filter(
            "may_goto_to_start",
            &[ctx, may_goto(1), ja(-3), mov(0, 0), exit()],
        ),
        filter(
            "functions",
            &[
                mov_reg(6, 1),
                call_rel(7),
                mov_reg(1, 6),
                ldx(W, 7, 6, IFINDEX),
                call_rel(6),
                ctx_of(6),
                call_rel(4),
                mov(0, 0),
                exit(),
                // First function.
                ctx,
                exit(),
                // Second function.
                mov(0, 1),
                ja(0),
                exit(),
            ],
        ),
        // The JIT jumps to the program, and patches the jump where the map changes: a poke descriptor has its place.
        filter(
            "constant_tail_call",
            &[
                &[mov_reg(6, 1), ctx_of(6), mov_reg(1, 6)][..],
                &ld_map_fd(2, progs),
                &[mov(3, 1), call(BPF_FUNC_tail_call), mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // The middle function of three is never called.
        filter(
            "dead_function",
            &[
                mov_reg(6, 1),
                mov(7, 0),
                jmp(Cond::Eq, 7, 0, 1),
                call_rel(4),
                mov_reg(1, 6),
                call_rel(5),
                mov(0, 0),
                exit(),
                // Dead.
                ctx,
                alu_imm(W64, Op::Add, 0, 1),
                exit(),
                // Live.
                ctx,
                exit(),
            ],
        ),
    ]
}
