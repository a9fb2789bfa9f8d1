// SPDX-License-Identifier: GPL-2.0

//! How long the insns of these programs are once they are rewritten, and so how far a jump goes then.

use crate::bpf::insn::{
    Cond, Insn, Op, Size, ALU, ALU64, END, GOTOL, JA, JMP, JMP32, LDX, LD_IMM64, MAY_GOTO, MEM, X,
};
use crate::bpf::skb::IFINDEX;

use super::CONTEXT;

/// What the kernel does to a program besides what it does to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewriting {
    /// It is compiled: a may_goto looks at the time.
    pub jit: bool,
    /// Its constants are blinded.
    pub blinded: bool,
}

/// Insns that a blinded constant adds.
const BLINDED: usize = 2;
/// Insns in front of a may_goto's jump, and the jump: its group is longer.
const TO_MAY_GOTO: usize = 2;

impl Rewriting {
    fn constant(self) -> usize {
        if self.blinded {
            BLINDED
        } else {
            0
        }
    }

    /// Insns that stand for an insn of a generated program.
    pub fn length(self, insn: Insn) -> usize {
        let number = insn.code & X == 0;
        match insn.code {
            JA if insn.off == 0 && !insn.is_static_branch() => 0,
            GOTOL | JA => 1,
            MAY_GOTO if self.jit => 7,
            MAY_GOTO => 4,
            // Each half has its own constant, and the first one is shifted and moved.
            LD_IMM64 if self.blinded => 4,
            0 if self.blinded => 3,
            code => match code & 7 {
                class @ (ALU | ALU64) if !number => self.by_register(insn, class == ALU64),
                ALU | ALU64 if number && self.is_blinded(insn) => 1 + BLINDED,
                JMP | JMP32 if number && Cond::of(code).is_some() => 1 + self.constant(),
                LDX if code & 0xe0 == MEM && insn.src() == CONTEXT => self.load(insn),
                _ => 1,
            },
        }
    }

    /// Divisions by 0, and with a sign by -1, are decided by jumps around the insn. Those of signed
    /// divisions compare a register of the kernel's, which is not blinded.
    fn by_register(self, insn: Insn, wide: bool) -> usize {
        match (Op::of(insn.code), insn.off, wide) {
            (Some(Op::Div), 1, _) => 8,
            (Some(Op::Mod), 1, true) => 7,
            (Some(Op::Mod), 1, false) => 9,
            (Some(Op::Mod), 0, true) => 2 + self.constant(),
            (Some(Op::Div | Op::Mod), 0, _) => 4 + self.constant(),
            _ => 1,
        }
    }

    fn is_blinded(self, insn: Insn) -> bool {
        let op = Op::of(insn.code);
        let zero = insn.imm == 0 && op == Some(Op::Mov);
        let shift = matches!(op, Some(Op::Lsh | Op::Rsh | Op::Arsh | Op::Neg));
        self.blinded && insn.code & 0xf0 != END && !shift && !zero
    }

    /// A part of a word is loaded with the word, moved to the front, and cut off. The interface is a
    /// member of another structure.
    fn load(self, insn: Insn) -> usize {
        match insn.size() {
            Size::W if insn.off == IFINDEX => 2,
            Size::W | Size::DW => 1,
            Size::B | Size::H => 2 + usize::from(insn.off & 3 != 0) + self.constant(),
        }
    }

    /// Insns in front of a function, which set what its may_gotos count down. No jump leads over them.
    pub fn slots(self, function: &[Insn]) -> usize {
        if function.iter().all(|insn| insn.code != MAY_GOTO) {
            0
        } else if self.jit {
            2 * (1 + self.constant())
        } else {
            1
        }
    }

    /// Where the jump of an insn's group is relative to the group's start, plus one: its offset counts
    /// from there.
    pub fn behind_jump(self, insn: Insn) -> usize {
        if insn.code == MAY_GOTO {
            TO_MAY_GOTO
        } else {
            self.length(insn)
        }
    }

    /// Where the group of each insn starts, and where the program ends.
    pub fn places(self, insns: &[Insn]) -> Vec<usize> {
        let mut places = vec![0];
        let mut at = 0;
        for &insn in insns {
            at += self.length(insn);
            places.push(at);
        }
        places
    }
}

/// The insn that a jump, which is at `at`, leads to; None if it is no jump.
pub fn target(insns: &[Insn], at: usize) -> Option<usize> {
    let insn = insns[at];
    let off = match insn.code {
        GOTOL => insn.imm,
        JA => insn.off.into(),
        _ if insn.is_conditional() => insn.off.into(),
        _ => return None,
    };
    usize::try_from(at as i64 + 1 + i64::from(off)).ok()
}

/// Does a distance not fit the offset of a jump?
pub fn is_far(distance: i64) -> bool {
    i16::try_from(distance).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::Width::{W32, W64};
    use crate::bpf::insn::{
        alu_imm, alu_reg, branch, branch_reg, gotol, ja, ld_imm64, ldx, may_goto, mov, signed,
        static_branch,
    };
    use crate::bpf::skb::MARK;

    #[test]
    fn lengths() {
        let plain = Rewriting {
            jit: false,
            blinded: false,
        };
        let blinded = Rewriting {
            jit: true,
            blinded: true,
        };
        let [low, high] = ld_imm64(1, 5);
        for (insn, a, b) in [
            (ja(0), 0, 0),
            (ja(1), 1, 1),
            (static_branch(false, false, 0), 1, 1),
            (gotol(0), 1, 1),
            (may_goto(1), 4, 7),
            (low, 1, 4),
            (high, 1, 3),
            (mov(1, 0), 1, 1),
            (mov(1, 1), 1, 3),
            (alu_imm(W32, Op::Mul, 1, 0), 1, 3),
            (alu_imm(W64, Op::Rsh, 1, 3), 1, 1),
            (alu_reg(W64, Op::Add, 1, 2), 1, 1),
            (branch(W32, Cond::Set, 1, 1), 1, 3),
            (branch_reg(W64, Cond::Set, 1, 1), 1, 1),
            (ldx(Size::W, 1, CONTEXT, MARK), 1, 1),
            (ldx(Size::W, 1, CONTEXT, IFINDEX), 2, 2),
            (ldx(Size::B, 1, CONTEXT, MARK), 2, 4),
            (ldx(Size::B, 1, CONTEXT, MARK + 3), 3, 5),
            (ldx(Size::H, 1, CONTEXT, MARK + 2), 3, 5),
            (ldx(Size::B, 1, 10, -7), 1, 1),
            (alu_reg(W32, Op::Div, 1, 2), 4, 6),
            (alu_reg(W64, Op::Mod, 1, 2), 2, 4),
            (alu_reg(W32, Op::Mod, 1, 2), 4, 6),
            (signed(alu_reg(W64, Op::Div, 1, 2)), 8, 8),
            (signed(alu_reg(W64, Op::Mod, 1, 2)), 7, 7),
            (signed(alu_reg(W32, Op::Mod, 1, 2)), 9, 9),
        ] {
            let lengths = (plain.length(insn), blinded.length(insn));
            assert_eq!(lengths, (a, b), "{insn:?}");
        }
        assert_eq!(plain.places(&[ja(1), ja(0), mov(0, 0)]), [0, 1, 1, 2]);
    }
}
