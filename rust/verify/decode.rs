// SPDX-License-Identifier: GPL-2.0

//! Which insns refer to others: once more, apart from the engine, so that what the engine gets
//! wrong is not got wrong here too.
//!
//! Written after `bpf_adj_branches()`, with numbers of its own.

use crate::engine::abi::Insn;
use kernel::bindings;

/// Does one of two jumps, of operations `a` and `b`, go where the other does not?
pub(super) fn are_opposite(a: u8, b: u8) -> bool {
    const EQ: u8 = 1;
    const NE: u8 = 5;
    // >, <=; >=, <; and signed.
    const PAIRS: [(u8, u8); 5] = [(EQ, NE), (2, 11), (3, 10), (6, 13), (7, 12)];
    PAIRS
        .iter()
        .any(|&(x, y)| (a, b) == (x, y) || (a, b) == (y, x))
}

/// All that makes an insn, to be compared.
pub(super) fn key(insn: &Insn) -> (u8, u8, u8, i16, i32) {
    (
        insn.code,
        insn.dst_reg(),
        insn.src_reg(),
        insn.off,
        insn.imm,
    )
}

/// What an insn refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refers {
    /// `off` is the distance of a jump.
    JumpByOff,
    /// `imm` is that.
    JumpByImm,
    /// `imm` is the distance of a subprog that is called, or whose address is taken.
    SubprogByImm,
}

impl Refers {
    pub(crate) fn of(insn: &Insn) -> Option<Self> {
        const LD_IMM64: u8 = 0x18;
        const GOTOL: u8 = 0x06;
        const GOTOX: u8 = 0x0d;
        const TAIL_CALL: u8 = 0xf5;
        const CLASS_JMP: u8 = 5;
        const CLASS_JMP32: u8 = 6;
        const OP_CALL: u8 = 8;
        const OP_EXIT: u8 = 9;
        let src = u32::from(insn.src_reg());
        match (insn.code, insn.code & 7, insn.code >> 4) {
            (LD_IMM64, ..) if src == bindings::BPF_PSEUDO_FUNC => Some(Self::SubprogByImm),
            (GOTOL, ..) => Some(Self::JumpByImm),
            (GOTOX | TAIL_CALL, ..) => None,
            (_, CLASS_JMP | CLASS_JMP32, OP_EXIT) => None,
            (_, CLASS_JMP | CLASS_JMP32, OP_CALL) => {
                (src == bindings::BPF_PSEUDO_CALL).then_some(Self::SubprogByImm)
            }
            (_, CLASS_JMP | CLASS_JMP32, _) => Some(Self::JumpByOff),
            _ => None,
        }
    }

    pub(crate) fn is_jump(self) -> bool {
        self != Self::SubprogByImm
    }

    pub(crate) fn distance(self, insn: &Insn) -> i64 {
        match self {
            Self::JumpByOff => insn.off.into(),
            _ => insn.imm.into(),
        }
    }

    /// Sets the distance. Returns whether it fits; the insn is as before if not.
    pub(crate) fn set(self, insn: &mut Insn, distance: i64) -> bool {
        match self {
            Self::JumpByOff => i16::try_from(distance).map(|off| insn.off = off).is_ok(),
            _ => i32::try_from(distance).map(|imm| insn.imm = imm).is_ok(),
        }
    }
}
