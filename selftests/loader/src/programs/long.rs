// SPDX-License-Identifier: GPL-2.0

//! Long programs, whose rewriting takes most of a load.

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_PROG_TYPE_SOCKET_FILTER};

use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_reg, call, exit, ja, jmp, ldx, may_goto, mov, mov_reg, signed, Cond, Insn, Op,
};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// Pairs of may_goto; the verifier does not take many more.
const MAY_GOTOS: usize = 8_000;
/// Jumps of the program of far jumps.
const FAR: usize = 2_000;

fn filter(name: &str, insns: Vec<Insn>) -> Spec {
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

/// `cnt` nops, and an end.
pub fn nops(cnt: usize) -> Spec {
    let mut insns = vec![ja(0); cnt];
    insns.extend([mov(0, 0), exit()]);
    filter("nops", insns)
}

/// A may_goto that becomes a nop as the one behind it goes: each of them makes the pass look back, here
/// at many nops.
pub fn nops_in_front(cnt: usize) -> Spec {
    let mut insns = vec![ja(0); cnt];
    insns.extend([may_goto(1), may_goto(0)].repeat(MAY_GOTOS));
    insns.extend([mov(0, 0), exit()]);
    filter("nops_in_front", insns)
}

/// `len` insns, and nothing to rewrite.
pub fn twin(len: usize) -> Spec {
    let mut insns = vec![mov(0, 0); len - 1];
    insns.push(exit());
    filter("twin", insns)
}

/// `n` signed divisions, each of which the kernel replaces by ten insns: most of the load is rewriting.
pub fn divisions(n: usize) -> Spec {
    let mut insns = vec![call(BPF_FUNC_get_prandom_u32), mov_reg(1, 0)];
    insns.resize(n + 2, signed(alu_reg(W64, Op::Div, 0, 1)));
    insns.push(exit());
    filter("divisions", insns)
}

/// Jumps over loads that become three insns each, so that most of the jumps do not fit 16 bits.
pub fn far() -> Spec {
    const OVER: usize = 30_000;
    let mut insns = vec![ldx(W, 6, 1, LEN)];
    for k in 0..FAR as i32 {
        insns.push(jmp(Cond::Eq, 6, k, OVER as i16));
        insns.extend([ldx(W, 0, 1, IFINDEX); 30]);
    }
    insns.resize(insns.len() + OVER, mov(0, 0));
    insns.extend([mov(0, 0), exit()]);
    filter("far", insns)
}
