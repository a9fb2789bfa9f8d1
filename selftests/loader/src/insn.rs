// SPDX-License-Identifier: GPL-2.0

//! BPF instructions as values, and the few constructors that hand-made programs need.

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
const LDX: u8 = 0x01;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const ALU: u8 = 0x04;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const ALU64: u8 = 0x07;

// Modes of loads and stores.
const IMM: u8 = 0x00;
const ABS: u8 = 0x20;
const IND: u8 = 0x40;
const MEM: u8 = 0x60;
const ATOMIC: u8 = 0xc0;

/// `imm` of an atomic store.
const CMPXCHG: i32 = 0xf1;

/// Source operand is a register.
const X: u8 = 0x08;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
/// `may_goto`.
const JCOND: u8 = 0xe0;

/// Code of the first half of a 64-bit immediate load.
pub const LD_IMM64: u8 = LD | IMM | Size::DW as u8;
/// Code of a helper, subprogram or kernel function call.
pub const CALL_CODE: u8 = JMP | CALL;

/// `src_reg` of a call to a subprogram of the same program.
pub const PSEUDO_CALL: u8 = 1;
/// `src_reg` of a 64-bit immediate load that names a map by descriptor (or id, in reports).
pub const PSEUDO_MAP_FD: u8 = 1;
/// `src_reg` of a 64-bit immediate load of an address in a map's value.
pub const PSEUDO_MAP_VALUE: u8 = 2;

/// Access sizes.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Size {
    W = 0x00,
    H = 0x08,
    B = 0x10,
    DW = 0x18,
}

/// Arithmetic operations.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Op {
    Add = 0x00,
    Div = 0x30,
    And = 0x50,
    Mod = 0x90,
    Mov = 0xb0,
}

/// Conditions of jumps.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Cond {
    Always = 0x00,
    Eq = 0x10,
    Gt = 0x20,
    Ne = 0x50,
    Lt = 0xa0,
}

/// Width of an arithmetic operation.
#[derive(Clone, Copy, PartialEq, Eq)]
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

    pub fn src(self) -> u8 {
        self.regs >> 4
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

pub fn ldx(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn::new(LDX | MEM | size as u8, dst, src, off, 0)
}

pub fn stx(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    Insn::new(STX | MEM | size as u8, dst, src, off, 0)
}

pub fn st(size: Size, dst: u8, off: i16, imm: i32) -> Insn {
    Insn::new(ST | MEM | size as u8, dst, 0, off, imm)
}

/// Compare-and-exchange with r0.
pub fn cmpxchg(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    Insn::new(STX | ATOMIC | size as u8, dst, src, off, CMPXCHG)
}

/// Packet load at an absolute offset, into r0; r6 is the context.
pub fn ld_abs(size: Size, at: i32) -> Insn {
    Insn::new(LD | ABS | size as u8, 0, 0, 0, at)
}

/// Packet load at register + offset, into r0; r6 is the context.
pub fn ld_ind(size: Size, src: u8, at: i32) -> Insn {
    Insn::new(LD | IND | size as u8, 0, src, 0, at)
}

/// 64-bit immediate load naming a map by its descriptor.
pub fn ld_map_fd(dst: u8, fd: i32) -> [Insn; 2] {
    [
        Insn::new(LD_IMM64, dst, PSEUDO_MAP_FD, 0, fd),
        Insn::new(0, 0, 0, 0, 0),
    ]
}

pub fn alu_imm(width: Width, op: Op, dst: u8, imm: i32) -> Insn {
    Insn::new(width.class() | op as u8, dst, 0, 0, imm)
}

pub fn alu_reg(width: Width, op: Op, dst: u8, src: u8) -> Insn {
    Insn::new(width.class() | op as u8 | X, dst, src, 0, 0)
}

/// Signed division or remainder: the same codes with `off` 1.
pub fn signed(insn: Insn) -> Insn {
    Insn { off: 1, ..insn }
}

pub fn mov(dst: u8, imm: i32) -> Insn {
    alu_imm(Width::W64, Op::Mov, dst, imm)
}

pub fn mov_reg(dst: u8, src: u8) -> Insn {
    alu_reg(Width::W64, Op::Mov, dst, src)
}

pub fn jmp(cond: Cond, dst: u8, imm: i32, off: i16) -> Insn {
    Insn::new(JMP | cond as u8, dst, 0, off, imm)
}

pub fn jmp_reg(cond: Cond, dst: u8, src: u8, off: i16) -> Insn {
    Insn::new(JMP | cond as u8 | X, dst, src, off, 0)
}

pub fn ja(off: i16) -> Insn {
    jmp(Cond::Always, 0, 0, off)
}

/// Jump with a 32-bit offset.
pub fn gotol(off: i32) -> Insn {
    Insn::new(JMP32, 0, 0, 0, off)
}

pub fn may_goto(off: i16) -> Insn {
    Insn::new(JMP | JCOND, 0, 0, off, 0)
}

/// Call of a subprogram `off` instructions behind the next one.
pub fn call_rel(off: i32) -> Insn {
    Insn::new(CALL_CODE, 0, PSEUDO_CALL, 0, off)
}

/// Call of a helper by its number.
pub fn call(helper: u32) -> Insn {
    Insn::new(CALL_CODE, 0, 0, 0, helper as i32)
}

pub fn exit() -> Insn {
    Insn::new(JMP | EXIT, 0, 0, 0, 0)
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
