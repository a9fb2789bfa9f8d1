// SPDX-License-Identifier: GPL-2.0

//! BPF instructions as values.

mod build;

pub use build::*;

/// One instruction, laid out as `struct bpf_insn` (include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    pub code: u8,
    /// Destination register in the low four bits, source register in the high four.
    pub regs: u8,
    pub off: i16,
    pub imm: i32,
}

/// Size of an instruction in bytes.
pub const INSN_SIZE: usize = size_of::<Insn>();
const _: () = assert!(INSN_SIZE == 8);

// Instruction classes.
const LD: u8 = 0x00;
pub const LDX: u8 = 0x01;
pub const ST: u8 = 0x02;
pub const STX: u8 = 0x03;
pub const ALU: u8 = 0x04;
pub const JMP: u8 = 0x05;
pub const JMP32: u8 = 0x06;
pub const ALU64: u8 = 0x07;

// Modes of loads and stores.
const IMM: u8 = 0x00;
const ABS: u8 = 0x20;
const IND: u8 = 0x40;
pub const MEM: u8 = 0x60;
pub const MEMSX: u8 = 0x80;
const ATOMIC: u8 = 0xc0;

// `imm` of atomic operations; those of plain arithmetic have the code of the operation.
/// The register gets what was in memory.
pub const FETCH: i32 = 0x01;
pub const XCHG: i32 = 0xe0 | FETCH;
pub const CMPXCHG: i32 = 0xf0 | FETCH;
pub const LOAD_ACQ: i32 = 0x100;
pub const STORE_REL: i32 = 0x110;

/// Source operand is a register.
pub const X: u8 = 0x08;
pub const END: u8 = 0xd0;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
/// What the kernel makes of calls of `bpf_tail_call`.
const TAIL_CALL: u8 = 0xf0;
/// `may_goto`.
const JCOND: u8 = 0xe0;

/// Code of the first half of a 64-bit immediate load.
pub const LD_IMM64: u8 = LD | IMM | Size::DW as u8;
/// Code of a helper, subprogram or kernel function call.
pub const CALL_CODE: u8 = JMP | CALL;
/// Code of the end of a function.
pub const EXIT_CODE: u8 = JMP | EXIT;

/// `src_reg` of a call to a subprogram of the same program.
pub const PSEUDO_CALL: u8 = 1;
/// `src_reg` of a call to a kernel function.
pub const PSEUDO_KFUNC_CALL: u8 = 2;
/// `src_reg` of a 64-bit immediate load that names a map by descriptor (or id, in reports).
pub const PSEUDO_MAP_FD: u8 = 1;
/// `src_reg` of a 64-bit immediate load of an address in a map's value.
pub const PSEUDO_MAP_VALUE: u8 = 2;
/// `src_reg` of a 64-bit immediate load of a callback, a subprogram of the same program.
pub const PSEUDO_FUNC: u8 = 4;

/// `src_reg` of a jump that is a static branch, and of one that begins as a nop too.
pub const STATIC_BRANCH_JA: u8 = 1;
pub const STATIC_BRANCH_NOP: u8 = 2;

/// Code of a speculation barrier, which only the kernel puts into programs.
pub const NOSPEC: u8 = ST | 0xc0;
/// Code of a jump with a 32-bit offset.
pub const GOTOL: u8 = JMP32;
/// Code of a jump with a 16-bit offset that is always taken.
pub const JA: u8 = JMP;
/// Code of an indirect jump.
pub const GOTOX: u8 = JMP | X;
/// Code of `may_goto`.
pub const MAY_GOTO: u8 = JMP | JCOND;

/// Access sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Size {
    W = 0x00,
    H = 0x08,
    B = 0x10,
    DW = 0x18,
}

impl Size {
    /// In bytes.
    pub fn bytes(self) -> i16 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::DW => 8,
        }
    }
}

/// Arithmetic operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Div = 0x30,
    Or = 0x40,
    And = 0x50,
    Lsh = 0x60,
    Rsh = 0x70,
    Neg = 0x80,
    Mod = 0x90,
    Xor = 0xa0,
    Mov = 0xb0,
    Arsh = 0xc0,
}

impl Op {
    /// The operation of an insn of arithmetic; None for a swap of bytes.
    pub fn of(code: u8) -> Option<Self> {
        let all = [
            Op::Add,
            Op::Sub,
            Op::Mul,
            Op::Div,
            Op::Or,
            Op::And,
            Op::Lsh,
            Op::Rsh,
            Op::Neg,
            Op::Mod,
            Op::Xor,
            Op::Mov,
            Op::Arsh,
        ];
        all.into_iter().find(|&op| op as u8 == code & 0xf0)
    }
}

/// Conditions of jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cond {
    Always = 0x00,
    Eq = 0x10,
    Gt = 0x20,
    Ge = 0x30,
    /// Some bit of both is set.
    Set = 0x40,
    Ne = 0x50,
    Sgt = 0x60,
    Sge = 0x70,
    Lt = 0xa0,
    Le = 0xb0,
    Slt = 0xc0,
    Sle = 0xd0,
}

impl Cond {
    /// All that depend on something.
    pub const ALL: [Self; 11] = [
        Cond::Eq,
        Cond::Gt,
        Cond::Ge,
        Cond::Set,
        Cond::Ne,
        Cond::Sgt,
        Cond::Sge,
        Cond::Lt,
        Cond::Le,
        Cond::Slt,
        Cond::Sle,
    ];

    /// The condition of a jump; None for codes of jumps that have none, or another meaning.
    pub fn of(code: u8) -> Option<Self> {
        let has = |&cond: &Self| cond as u8 == code & 0xf0;
        Self::ALL.into_iter().find(has)
    }
}

/// Byte swaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    ToLittle,
    ToBig,
    Always,
}

/// Width of an arithmetic operation or a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    W32,
    W64,
}

impl Width {
    fn class(self) -> u8 {
        match self {
            Width::W32 => ALU,
            Width::W64 => ALU64,
        }
    }

    fn jump_class(self) -> u8 {
        match self {
            Width::W32 => JMP32,
            Width::W64 => JMP,
        }
    }
}

impl Insn {
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self {
            code,
            regs: dst | src << 4,
            off,
            imm,
        }
    }

    pub fn dst(self) -> u8 {
        self.regs & 15
    }

    pub fn src(self) -> u8 {
        self.regs >> 4
    }

    /// The same with another offset.
    pub const fn with_off(self, off: i16) -> Self {
        Self { off, ..self }
    }

    /// Size of what a load or store accesses.
    pub fn size(self) -> Size {
        match self.code & 0x18 {
            0x00 => Size::W,
            0x08 => Size::H,
            0x10 => Size::B,
            _ => Size::DW,
        }
    }

    /// A jump that is taken on a condition, `may_goto` included.
    pub fn is_conditional(self) -> bool {
        let op = self.code & 0xf0;
        matches!(self.code & 7, JMP | JMP32) && ![0, CALL, EXIT, TAIL_CALL].contains(&op)
    }

    /// A static branch, which is a jump or a nop as user space switches it.
    pub fn is_static_branch(self) -> bool {
        matches!(self.code, JA | GOTOL) && self.src() & STATIC_BRANCH_JA != 0
    }

    /// Is a static branch a nop as it is loaded?
    pub fn begins_as_nop(self) -> bool {
        self.src() & STATIC_BRANCH_NOP != 0
    }

    /// Bytes in the order the kernel reads them.
    pub fn bytes(self) -> [u8; INSN_SIZE] {
        let [o0, o1] = self.off.to_ne_bytes();
        let [i0, i1, i2, i3] = self.imm.to_ne_bytes();
        [self.code, self.regs, o0, o1, i0, i1, i2, i3]
    }

    /// The inverse of [`Insn::bytes`].
    pub fn from_bytes(b: [u8; INSN_SIZE]) -> Self {
        Self {
            code: b[0],
            regs: b[1],
            off: i16::from_ne_bytes([b[2], b[3]]),
            imm: i32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        }
    }
}

/// Splits bytes into instructions; a remainder is dropped.
pub fn decode(bytes: &[u8]) -> Vec<Insn> {
    bytes
        .chunks_exact(INSN_SIZE)
        .map(|c| Insn::from_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let insn = Insn::new(0x61, 3, 9, -5, -70_000);
        assert_eq!(Insn::from_bytes(insn.bytes()), insn);
        assert_eq!(insn.src(), 9);
        assert_eq!(
            decode(&[insn.bytes(), exit().bytes()].concat()),
            [insn, exit()]
        );
    }
}
