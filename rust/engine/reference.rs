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

/// What an opcode says of its insn's reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refers {
    No,
    /// A jump by `off`.
    Jump,
    /// `gotol`, a jump by `imm`.
    Gotol,
    /// By `imm`, if `src_reg` is this one: a call or an address of a subprog.
    If(u32),
}

/// That of each opcode: a look at a table for most insns.
static REFERS: [Refers; 256] = {
    let mut table = [Refers::No; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = refers(code as u32);
        code += 1;
    }
    table
};

const fn refers(code: u32) -> Refers {
    const GOTOL: u32 = JMP32 | JA;
    const GOTOX: u32 = JMP | JA | bindings::BPF_X;
    const TAIL_CALL: u32 = JMP | bindings::BPF_TAIL_CALL;
    let class = code & CLASS_MASK as u32;
    match (code, code & OP_MASK as u32) {
        (LD_IMM64, _) => Refers::If(PSEUDO_FUNC),
        _ if class != JMP && class != JMP32 => Refers::No,
        (GOTOL, _) => Refers::Gotol,
        (GOTOX | TAIL_CALL, _) | (_, EXIT) => Refers::No,
        (_, CALL) => Refers::If(PSEUDO_CALL),
        _ => Refers::Jump,
    }
}

/// Can an insn of this opcode refer to another one?
#[inline]
pub(crate) fn may_refer(insn: &Insn) -> bool {
    REFERS[usize::from(insn.code)] != Refers::No
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
        let (field, is_jump) = match REFERS[usize::from(insn.code)] {
            Refers::Jump => (Field::Off, true),
            Refers::Gotol => (Field::Imm, true),
            Refers::If(src) if u32::from(insn.src_reg()) == src => (Field::Imm, false),
            _ => return None,
        };
        Some(Self { field, is_jump })
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
