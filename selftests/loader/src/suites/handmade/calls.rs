// SPDX-License-Identifier: GPL-2.0

//! Functions and loops.

use super::{ctx_of, filter};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, call_rel, exit, ja, jmp, ldx, may_goto, mov, mov_reg, Cond, Op};
use crate::bpf::skb::IFINDEX;
use crate::bpf::Spec;

/// Functions and loops.
pub fn calls() -> Vec<Spec> {
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
