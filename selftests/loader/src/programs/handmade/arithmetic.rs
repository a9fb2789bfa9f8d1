// SPDX-License-Identifier: GPL-2.0

//! Arithmetic that is rewritten.

use super::{filter, FP};
use crate::bpf::insn::Size::{DW, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{alu_imm, alu_reg, cmpxchg, exit, jmp, ldx, mov, signed, stx, Cond, Op};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// Divisions by a register, and the zero extension of a 32-bit compare-and-exchange.
pub fn arithmetic() -> Vec<Spec> {
    let mut specs = Vec::new();
    for (name, op) in [("div", Op::Div), ("mod", Op::Mod)] {
        for (suffix, width) in [("32", W32), ("64", W64)] {
            let plain = alu_reg(width, op, 0, 2);
            for (prefix, insn) in [("", plain), ("s", signed(plain))] {
                let name = format!("{prefix}{name}{suffix}");
                let insns = [
                    ldx(W, 0, 1, LEN),
                    ldx(W, 2, 1, LEN),
                    insn,
                    jmp(Cond::Gt, 0, 3, 1),
                    insn,
                    insn,
                    mov(0, 0),
                    exit(),
                ];
                specs.push(filter(&name, &insns));
            }
        }
    }
    specs.push(filter(
        "sdiv_by_minus_one",
        &[
            ldx(W, 0, 1, IFINDEX),
            signed(alu_imm(W64, Op::Div, 0, -1)),
            signed(alu_imm(W32, Op::Mod, 0, -1)),
            mov(0, 0),
            exit(),
        ],
    ));
    specs.push(filter(
        "cmpxchg32",
        &[
            ldx(W, 0, 1, LEN),
            stx(DW, FP, -8, 0),
            mov(2, 1),
            cmpxchg(W, FP, -8, 2),
            jmp(Cond::Eq, 0, 0, 1),
            cmpxchg(W, FP, -8, 2),
            exit(),
        ],
    ));
    specs
}
