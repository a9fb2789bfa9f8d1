// SPDX-License-Identifier: GPL-2.0

//! Which insns refer to others, by which field: `bpf_adj_branches()`.

use crate::engine::abi::Insn;

/// Most that `off` holds, of as many bits as jumps have in this build.
pub(crate) const MAX_OFF: i64 = if cfg!(feature = "short_reach") {
    0x7f
} else {
    0x7fff
};

#[derive(Clone, Copy)]
pub(crate) struct Reference {
    /// Is the distance `imm`, not `off`?
    wide: bool,
    pub(crate) is_jump: bool,
}

impl Reference {
    pub(crate) fn of(insn: &Insn) -> Option<Self> {
        let some = |wide, is_jump| Some(Self { wide, is_jump });
        match (insn.code, insn.code & 0x07, insn.code & 0xf0) {
            // ld_imm64 of a subprog's address
            (0x18, ..) if insn.src_reg() == 4 => some(true, false),
            // gotox, a tail call
            (0x0d | 0xf5, ..) => None,
            // gotol
            (0x06, ..) => some(true, true),
            // exit
            (_, 5 | 6, 0x90) => None,
            // a call of a subprog
            (_, 5 | 6, 0x80) if insn.src_reg() == 1 => some(true, false),
            (_, 5 | 6, 0x80) => None,
            (_, 5 | 6, _) => some(false, true),
            _ => None,
        }
    }

    pub(crate) fn is_short(self) -> bool {
        !self.wide
    }

    pub(crate) fn distance(self, insn: &Insn) -> i64 {
        match self.wide {
            true => insn.imm.into(),
            false => insn.off.into(),
        }
    }

    pub(crate) fn fits(self, distance: i64) -> bool {
        match self.wide {
            true => (-0x8000_0000..=0x7fff_ffff).contains(&distance),
            false => (-MAX_OFF - 1..=MAX_OFF).contains(&distance),
        }
    }

    pub(crate) fn set(self, insn: &mut Insn, distance: i64) {
        match self.wide {
            true => insn.imm = distance as i32,
            false => insn.off = distance as i16,
        }
    }
}
