// SPDX-License-Identifier: GPL-2.0

//! The insns that a relaxed jump becomes.

use crate::engine::{
    abi::Insn,
    reference::{
        class,
        op,
        JA,
        JMP,
        JMP32, //
    }, //
};
use kernel::bindings;

/// What a jump becomes. The last insn is a `gotol`, which is still to be aimed; jumps in front of
/// it lead within.
pub(super) struct Form {
    insns: [Insn; Self::MOST],
    len: usize,
}

impl Form {
    /// Most insns of a form.
    pub(super) const MOST: usize = 3;

    /// Returns the form of `insn`, a jump of 16 bits.
    ///
    /// Proof: `FormTwoWays` in `proof/relax.dfy`.
    pub(super) fn of(insn: &Insn) -> Self {
        const GOTOL: u8 = (JMP32 | JA) as u8;
        const GOTO: u8 = (JMP | JA) as u8;
        let jump = |code, off| Insn {
            code,
            off,
            ..Insn::default()
        };
        let over = |code| Insn {
            code,
            off: 1,
            ..*insn
        };
        let gotol = jump(GOTOL, 0);
        let (insns, len) = if op(insn) == JA {
            // With all that it has beside its distance.
            let gotol = Insn {
                code: GOTOL,
                off: 0,
                ..*insn
            };
            ([gotol; Self::MOST], 1)
        } else if let Some(inverse) = inverse(op(insn)) {
            let source = insn.code & bindings::BPF_X as u8;
            let code = (class(insn) | inverse) as u8 | source;
            ([over(code), gotol, gotol], 2)
        } else {
            ([over(insn.code), jump(GOTO, 1), gotol], 3)
        };
        Self { insns, len }
    }

    /// Returns the number of insns.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the insns.
    pub(super) fn insns(&self) -> &[Insn] {
        &self.insns[..self.len]
    }

    /// Lets the `gotol` lead `distance` insns ahead of it.
    pub(super) fn aim(&mut self, distance: i64) {
        // A program has less than 2^31 insns.
        self.insns[self.len - 1].imm = distance as i32;
    }
}

/// Returns the operation that jumps if and only if `op` does not. There is none for `jset` and
/// may_goto.
///
/// Proof: `InverseIsOpposite` in `proof/relax.dfy`.
fn inverse(op: u32) -> Option<u32> {
    const INVERSES: [(u32, u32); 5] = [
        (bindings::BPF_JEQ, bindings::BPF_JNE),
        (bindings::BPF_JGT, bindings::BPF_JLE),
        (bindings::BPF_JGE, bindings::BPF_JLT),
        (bindings::BPF_JSGT, bindings::BPF_JSLE),
        (bindings::BPF_JSGE, bindings::BPF_JSLT),
    ];
    INVERSES.iter().find_map(|&(a, b)| match op {
        _ if op == a => Some(b),
        _ if op == b => Some(a),
        _ => None,
    })
}
