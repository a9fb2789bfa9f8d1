// SPDX-License-Identifier: GPL-2.0

//! Every jump form over instructions that grow.

use super::filter;
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, exit, gotol, jmp, ldx, mov, Cond, Op};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// Every jump form over instructions that grow.
pub fn jumps() -> Vec<Spec> {
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter(
            "forward_jumps",
            &[
                ldx(W, 2, 1, LEN),
                jmp(Cond::Gt, 2, 100, 3),
                ctx,
                jmp(Cond::Lt, 2, 50, 1),
                ctx,
                jmp(Cond::Ne, 2, 7, 1),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "backward_jumps",
            &[
                mov(7, 0),
                ctx,
                ctx,
                alu_imm(W64, Op::Add, 7, 1),
                jmp(Cond::Lt, 7, 5, -3),
                jmp(Cond::Lt, 7, 8, -5),
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "gotol",
            &[
                ldx(W, 2, 1, LEN),
                jmp(Cond::Gt, 2, 100, 2),
                ctx,
                gotol(2),
                ctx,
                gotol(-3),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "backward_gotol",
            &[
                mov(7, 0),
                ctx,
                alu_imm(W64, Op::Add, 7, 1),
                jmp(Cond::Gt, 7, 4, 1),
                gotol(-4),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
    ]
}
