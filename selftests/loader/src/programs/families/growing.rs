// SPDX-License-Identifier: GPL-2.0

//! Insns that become several.

use std::io;

use libbpf_sys::{BPF_FUNC_jiffies64, BPF_F_TEST_RND_HI32, BPF_PROG_TYPE_SOCKET_FILTER};

use super::program::{blocks, pair, Program};
use crate::bpf::insn::Size::{B, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{alu_imm, alu_reg, call, exit, ld_abs, ldx, mov, mov_reg, Op};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// Socket filter of `n` loads of the context word at `field` (bytes).
fn loads(name: &str, n: usize, field: i16) -> Spec {
    let mut insns = vec![ldx(W, 0, 1, field); n];
    insns.extend([mov(0, 0), exit()]);
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, &format!("{name}_{n}"), insns)
}

/// `n` loads of a context word that become three insns each.
pub fn context_loads(n: usize) -> Spec {
    loads("context", n, IFINDEX)
}

/// The same, and a twin of `n` loads that stay one insn each.
pub fn context(n: usize) -> io::Result<Program> {
    Ok(Program::new(context_loads(n), loads("twin", n, LEN)))
}

/// Divisions by a number that may be 0; the twin adds it.
pub fn divmod(n: usize) -> io::Result<Program> {
    let head = [ldx(W, 0, 1, LEN), ldx(W, 2, 1, LEN)];
    let by = |op| alu_reg(W64, op, 0, 2);
    let halves = |op: [Op; 2]| [&head[..], &op.map(by).repeat(n / 2)].concat();
    let rest = n % 2;
    Ok(Program::new(
        blocks("divmod", rest, &halves([Op::Div, Op::Mod]), &[by(Op::Div)]),
        blocks("twin", rest, &halves([Op::Add, Op::Add]), &[by(Op::Add)]),
    ))
}

/// Classic loads from the packet.
pub fn packet(n: usize) -> io::Result<Program> {
    let head = [mov_reg(6, 1)];
    Ok(pair("ld_abs", n, &head, &[ld_abs(B, 14)], &[mov(0, 14)]))
}

/// Calls that become a load of the counter.
pub fn jiffies(n: usize) -> io::Result<Program> {
    let block = [call(BPF_FUNC_jiffies64)];
    Ok(pair("jiffies", n, &[], &block, &[mov(0, 1)]))
}

/// 32-bit insns, whose upper half the kernel fills with a random number as the flag asks for; the twin has
/// no flag. Zero extension, the other half of the pass, is for other processors than x86-64.
pub fn upper_half(n: usize) -> io::Result<Program> {
    let twin = blocks("twin", n, &[mov(0, 0)], &[alu_imm(W32, Op::Add, 0, 1)]);
    let spec = Spec {
        name: "zext".to_owned(),
        flags: BPF_F_TEST_RND_HI32,
        ..twin.clone()
    };
    Ok(Program::new(spec, twin))
}
