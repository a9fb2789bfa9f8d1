// SPDX-License-Identifier: GPL-2.0

//! What is rewritten for the JIT alone, or referred to by it.

use std::io;

use super::program::{blocks, Program};
use crate::bpf::insn::Size::{DW, W};
use crate::bpf::insn::{gotox, ld_map_value, ldx, mov, mov_reg};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::{InsnArray, Spec};

/// Entries of an insn array at most.
const ENTRIES: usize = 65_536;

/// A program that is blinded, and as its twin the same without blinding.
pub fn blinded(spec: Spec) -> Program {
    let level = |name: &str, level| Spec {
        name: name.to_owned(),
        harden: Some(level),
        ..spec.clone()
    };
    Program::new(level(&spec.name, 2), level("twin", 0))
}

/// Constants.
pub fn blinding(n: usize) -> io::Result<Program> {
    Ok(blinded(blocks("blinding", n, &[], &[mov(0, 1)])))
}

/// Loads of a word of the context, and a map that has an entry for each of the first of them. The
/// program jumps to the first.
fn with_array(name: &str, n: usize, field: i16) -> Spec {
    let [low, high] = ld_map_value(1, 0, 0);
    let head = [mov_reg(6, 1), low, high, ldx(DW, 1, 1, 0), gotox(1)];
    let entries = head.len()..head.len() + n.min(ENTRIES);
    Spec {
        array: Some(InsnArray {
            entries: entries.map(|at| at as u32).collect(),
            loaded_by: 1,
        }),
        ..blocks(name, n, &head, &[ldx(W, 0, 6, field)])
    }
}

/// Loads that become three insns, each with an entry in an insn array.
pub fn insn_array(n: usize) -> io::Result<Program> {
    let spec = with_array("insn_array", n, IFINDEX);
    Ok(Program::new(spec, with_array("twin", n, LEN)))
}
