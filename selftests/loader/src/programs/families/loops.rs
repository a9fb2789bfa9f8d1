// SPDX-License-Identifier: GPL-2.0

//! Loops of every form. The verifier keeps a state for each way that it has yet to go, and not many of them.

use std::io;

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_FUNC_loop, BPF_PROG_TYPE_SOCKET_FILTER};

use super::program::{blocks, pair, Program};
use crate::bpf::btf::Btf;
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call, exit, gotol, ja, jmp, ld_func, ldx, may_goto, mov, Cond, Op,
};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

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

/// Loads between a jump and its error exit: as written it reaches, rewritten it does not.
const BLOCK: usize = 30_000;

/// Rounds of a loop over `n` loads of the context word at `field`. Each block begins with a jump to an
/// error exit behind it, if `is_long`.
fn two_rounds(name: &str, n: usize, field: i16, is_long: bool) -> Spec {
    let mut insns = vec![ldx(W, 8, 1, LEN), mov(7, 0)];
    let head = insns.len();
    let loads = vec![ldx(W, 0, 1, field); n];
    for (block, number) in loads.chunks(BLOCK).zip(0..) {
        if is_long {
            insns.push(jmp(Cond::Eq, 8, number, block.len() as i16 + 1));
        }
        insns.extend(block);
        if is_long {
            insns.extend([ja(2), mov(0, 1), exit()]);
        }
    }
    insns.extend([alu_imm(W64, Op::Add, 7, 1), jmp(Cond::Ge, 7, 2, 1)]);
    insns.push(gotol(head as i32 - insns.len() as i32 - 1));
    insns.extend([mov(0, 0), exit()]);
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

/// A loop with jumps that are too far once the loads have grown; in the twin they do not grow.
pub fn far_jumps(n: usize) -> io::Result<Program> {
    Ok(Program::new(
        two_rounds("far_jumps", n, IFINDEX, true),
        two_rounds("twin", n, LEN, true),
    ))
}

/// The same without these jumps.
pub fn rounds(n: usize) -> io::Result<Program> {
    Ok(Program::new(
        two_rounds("rounds", n, IFINDEX, false),
        two_rounds("twin", n, LEN, false),
    ))
}
