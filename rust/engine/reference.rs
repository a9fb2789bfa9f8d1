// SPDX-License-Identifier: GPL-2.0

//! Which insns refer to other insns, and by which field.
//!
//! The same set as in `bpf_adj_branches()` of kernel/bpf/core.c: jumps, calls of subprogs,
//! addresses of subprogs. A may_goto counts as a jump. An indirect jump and a tail call refer to no
//! insn: their `off` is 0 and means nothing.

use super::abi::Insn;
use kernel::bindings;

pub(crate) const JMP: u32 = bindings::BPF_JMP;
pub(crate) const JMP32: u32 = bindings::BPF_JMP32;
pub(crate) const JA: u32 = bindings::BPF_JA;
pub(crate) const CALL: u32 = bindings::BPF_CALL;
pub(crate) const EXIT: u32 = bindings::BPF_EXIT;
/// Opcode of the first half of a `ld_imm64`.
pub(crate) const LD_IMM64: u32 = bindings::BPF_LD | bindings::BPF_IMM | bindings::BPF_DW;
/// `src_reg` of a call of a subprog.
pub(crate) const PSEUDO_CALL: u32 = bindings::BPF_PSEUDO_CALL;
/// `src_reg` of a `ld_imm64` of a subprog's address.
pub(crate) const PSEUDO_FUNC: u32 = bindings::BPF_PSEUDO_FUNC;

const CLASS_MASK: u8 = 0x07;
const OP_MASK: u8 = 0xf0;

/// Returns the class of an insn, `BPF_CLASS()`.
pub(crate) fn class(insn: &Insn) -> u32 {
    (insn.code & CLASS_MASK).into()
}

/// Returns the operation of a jump, `BPF_OP()`.
pub(crate) fn op(insn: &Insn) -> u32 {
    (insn.code & OP_MASK).into()
}

/// Is the insn a `gotox`?
pub(crate) fn is_indirect_jump(insn: &Insn) -> bool {
    u32::from(insn.code) == JMP | JA | bindings::BPF_X
}

/// Is the insn a tail call, which the verifier makes of a call of the helper?
pub(crate) fn is_tail_call(insn: &Insn) -> bool {
    u32::from(insn.code) == JMP | bindings::BPF_TAIL_CALL
}

/// Which opcodes can be those of insns that refer to others.
static MAY_REFER: [bool; 256] = {
    let mut table = [false; 256];
    let mut code = 0;
    while code < table.len() {
        let class = code as u32 & CLASS_MASK as u32;
        table[code] = class == JMP || class == JMP32 || code as u32 == LD_IMM64;
        code += 1;
    }
    table
};

/// Can an insn of this opcode refer to another one? This leaves most out with a look at a table.
#[inline]
pub(crate) fn may_refer(insn: &Insn) -> bool {
    MAY_REFER[usize::from(insn.code)]
}

/// Most insns that a jump of 16 bits leads ahead. Back it leads one more.
#[cfg(not(feature = "short_reach"))]
pub(crate) const REACH: u32 = i16::MAX as u32;

/// The host's tests have jumps of 8 bits, so that short programs have some that are too far.
#[cfg(feature = "short_reach")]
pub(crate) const REACH: u32 = i8::MAX as u32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Off,
    Imm,
}

/// How an insn refers to another one.
///
/// # Examples
///
/// ```ignore
/// // `goto -3`, insn 7, refers to insn 7 + 1 - 3 = 5.
/// let r = Reference::of(&insn).ok_or(EINVAL)?;
/// assert_eq!(r.distance(&insn), -3);
/// assert!(!r.fits(40_000));
/// ```
#[derive(Clone, Copy)]
pub(crate) struct Reference {
    field: Field,
    /// A jump, as opposed to a call or an address of a subprog.
    pub(crate) is_jump: bool,
}

impl Reference {
    /// Returns the reference that `insn` has, if it has one.
    #[inline]
    pub(crate) fn of(insn: &Insn) -> Option<Self> {
        if !may_refer(insn) {
            return None;
        }
        Self::of_code(insn)
    }

    fn of_code(insn: &Insn) -> Option<Self> {
        let imm = |is_jump| Self {
            field: Field::Imm,
            is_jump,
        };
        let class = class(insn);
        if class != JMP && class != JMP32 {
            let is_func =
                u32::from(insn.code) == LD_IMM64 && u32::from(insn.src_reg()) == PSEUDO_FUNC;
            return is_func.then(|| imm(false));
        }
        match op(insn) {
            EXIT => None,
            CALL => (u32::from(insn.src_reg()) == PSEUDO_CALL).then(|| imm(false)),
            _ if u32::from(insn.code) == JMP32 | JA => Some(imm(true)),
            _ if is_indirect_jump(insn) || is_tail_call(insn) => None,
            _ => Some(Self {
                field: Field::Off,
                is_jump: true,
            }),
        }
    }

    /// Is the distance one of 16 bits, as of all jumps but `gotol`?
    pub(crate) fn is_short(self) -> bool {
        self.field == Field::Off
    }

    /// Returns the number of insns between `insn` and the one it refers to, negative if that is in
    /// front: -1 for an insn that refers to itself.
    pub(crate) fn distance(self, insn: &Insn) -> i64 {
        match self.field {
            Field::Off => insn.off.into(),
            Field::Imm => insn.imm.into(),
        }
    }

    /// Returns how many insns more there may be between the two, at `distance`, before the field
    /// cannot hold it; negative if it does not now.
    pub(crate) fn slack(self, distance: i64) -> i64 {
        let max = match self.field {
            Field::Off => i64::from(REACH),
            Field::Imm => i64::from(i32::MAX),
        };
        if distance < 0 {
            max + 1 + distance
        } else {
            max - distance
        }
    }

    /// Can the field hold `distance`?
    pub(crate) fn fits(self, distance: i64) -> bool {
        self.slack(distance) >= 0
    }

    /// Sets the distance, which fits.
    pub(crate) fn set(self, insn: &mut Insn, distance: i64) {
        match self.field {
            Field::Off => insn.off = distance as i16,
            Field::Imm => insn.imm = distance as i32,
        }
    }
}
