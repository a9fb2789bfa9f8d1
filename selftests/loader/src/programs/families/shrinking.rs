// SPDX-License-Identifier: GPL-2.0

//! Insns that are removed.

use std::io;

use super::program::{pair, Program};
use crate::bpf::insn::{ja, jmp, mov, Cond};
use crate::bpf::Spec;
use crate::programs::long;

/// Insns that only verification finds to be dead. The jump over each of them goes too.
pub fn dead_code(n: usize) -> io::Result<Program> {
    let block = [mov(7, 0), jmp(Cond::Eq, 7, 0, 1), mov(0, 1)];
    let other = [mov(7, 0), mov(0, 1), mov(0, 1)];
    Ok(pair("dead_code", n, &[], &block, &other))
}

/// Jumps to the next insn, an insn between any two.
pub fn nops(n: usize) -> io::Result<Program> {
    Ok(pair(
        "nops",
        n,
        &[],
        &[ja(0), mov(0, 0)],
        &[mov(0, 1), mov(0, 0)],
    ))
}

/// A program of nops takes no longer than as many other insns.
fn of_nops(spec: Spec) -> io::Result<Program> {
    let twin = long::twin(spec.insns.len());
    Ok(Program::new(spec, twin))
}

/// Jumps to the next insn, one behind the other.
pub fn nops_in_a_row(n: usize) -> io::Result<Program> {
    of_nops(long::nops(n))
}

/// The same in front of may_gotos that become nops one by one.
pub fn nops_in_front(n: usize) -> io::Result<Program> {
    of_nops(long::nops_in_front(n))
}
