// SPDX-License-Identifier: GPL-2.0

//! What makes a function long: insns between the segments in front and those behind, as many as jumps of 16
//! bits lead over.

use super::function::{Role, Written, CONTEXT, HASH};
use crate::bpf::insn::Size::{B, H};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{alu_imm, alu_reg, exit, gotol, ldx, mov, mov_reg, signed, Insn, Op, JA};
use crate::bpf::skb::{MARK, PRIORITY};
use crate::programs::generator::rng::Rng;

/// As far as a jump forward leads.
const REACH: usize = 32_767;
/// Registers that it writes to.
const SCRATCH: [u8; 5] = [1, 2, 3, 4, 5];

/// How far the longest jump of 16 bits leads.
pub fn span(insns: &[Insn]) -> usize {
    let jumps = insns
        .iter()
        .filter(|insn| insn.is_conditional() || insn.code == JA);
    let longest = jumps.map(|insn| insn.off.unsigned_abs()).max();
    usize::from(longest.unwrap_or(0))
}

/// Writes what is in between. The longest jump leads as far as `span` without it.
pub fn write(rng: &mut Rng, function: &mut Written, role: Role, span: usize) {
    let slack = match rng.below(10) {
        0..=4 => rng.below(16),
        5..=7 => rng.below(100),
        _ => rng.below(4_000),
    };
    // Few insns grow: stock's functions, and mode verify with them, need time for each.
    let growing = rng.pick(&[0, 0, 0, 1, 4]);
    let code = &mut function.code;
    let end = if function.live {
        vec![alu_reg(W64, Op::Xor, HASH, 1)]
    } else {
        vec![mov(0, 0), exit()]
    };
    code.emit(&SCRATCH.map(|dst| mov_reg(dst, HASH)));
    let around = SCRATCH.len() + end.len() + usize::from(function.live);
    for _ in 0..REACH.saturating_sub(slack + span + around) {
        let grows = rng.below(1_000) < growing;
        code.emit(&[filler(rng, grows, role != Role::Callback)]);
    }
    code.emit(&end);
    if function.live {
        code.emit_to(gotol(0), function.behind_padding);
    }
}

fn filler(rng: &mut Rng, grows: bool, has_context: bool) -> Insn {
    let (dst, src) = (rng.pick(&SCRATCH), rng.pick(&SCRATCH));
    if !grows {
        let op = rng.pick(&[Op::Add, Op::Sub, Op::Xor, Op::Mul]);
        return match rng.below(8) {
            0 => alu_imm(W64, op, dst, rng.imm()),
            1 => mov_reg(dst, HASH),
            _ => alu_reg(rng.pick(&[W32, W64]), op, dst, src),
        };
    }
    match rng.below(3) {
        0 if has_context => ldx(B, dst, CONTEXT, MARK + rng.range(1, 3) as i16),
        1 if has_context => ldx(H, dst, CONTEXT, PRIORITY + 2),
        _ => signed(alu_reg(W64, rng.pick(&[Op::Div, Op::Mod]), dst, src)),
    }
}
