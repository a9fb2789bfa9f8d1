// SPDX-License-Identifier: GPL-2.0

//! Loops of every form. The verifier keeps a state for each way that it has yet to go, and not many of them.

use std::io;

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_FUNC_loop};

use super::program::{blocks, pair, Program};
use crate::bpf::btf::Btf;
use crate::bpf::insn::Size::W;
use crate::bpf::insn::{call, exit, ja, jmp, ld_func, ldx, may_goto, mov, Cond};
use crate::bpf::skb::LEN;

/// The verifier takes the jump first. Here that is the end of the program, so only one other way is left.
pub fn may_gotos(n: usize) -> io::Result<Program> {
    let head = [ldx(W, 6, 1, LEN), mov(0, 0)];
    let block = [may_goto(1), ja(1), exit()];
    let other = [jmp(Cond::Ne, 6, 7, 2), mov(0, 7), exit()];
    Ok(pair("may_goto", n, &head, &block, &other))
}

/// Calls of `bpf_loop` for one round of a function that returns 0.
pub fn bpf_loops(n: usize) -> io::Result<Program> {
    let [low, high] = ld_func(2, 0);
    let block = [
        mov(1, 1),
        low,
        high,
        mov(3, 0),
        mov(4, 0),
        call(BPF_FUNC_loop),
    ];
    let mut other = block;
    other[1..3].fill(mov(2, 0));
    other[5] = call(BPF_FUNC_get_prandom_u32);
    let mut program = pair("bpf_loop", n, &[], &block, &other);

    let spec = &mut program.spec;
    let callback = spec.insns.len();
    for at in 0..n {
        let from = at * block.len() + 1;
        spec.insns[from].imm = (callback - from - 1) as i32;
    }
    spec.insns.extend(blocks("", 0, &[], &[]).insns);
    let btf = Btf::load()?;
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(&[(0, false), (callback, false)]);
    program.btf = Some(btf);
    Ok(program)
}
