// SPDX-License-Identifier: GPL-2.0

//! What a family makes: a program, its twin, and what it refers to.

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;

use super::policy::Check;
use crate::bpf::btf::Btf;
use crate::bpf::insn::{exit, mov, Insn};
use crate::bpf::Spec;

/// A program of N edits.
pub struct Program {
    pub spec: Spec,
    /// Has no need of rewriting.
    pub twin: Spec,
    /// What the program's descriptor is of: it lives as long.
    pub btf: Option<Btf>,
    /// What the program has to do, if it can be run.
    pub check: Option<Check>,
}

impl Program {
    /// A program that refers to nothing.
    pub fn new(spec: Spec, twin: Spec) -> Self {
        Self {
            spec,
            twin,
            btf: None,
            check: None,
        }
    }
}

/// A socket filter of `n` times `block` behind `head`, which returns 0.
pub fn blocks(name: &str, n: usize, head: &[Insn], block: &[Insn]) -> Spec {
    let mut insns = head.to_vec();
    insns.extend(block.repeat(n));
    insns.extend([mov(0, 0), exit()]);
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

/// A program of `n` times `block`, and a twin of `n` times `other`, behind the same `head`.
pub fn pair(name: &str, n: usize, head: &[Insn], block: &[Insn], other: &[Insn]) -> Program {
    Program::new(blocks(name, n, head, block), blocks("twin", n, head, other))
}
