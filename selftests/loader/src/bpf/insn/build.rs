// SPDX-License-Identifier: GPL-2.0

//! Constructors of the instructions that programs made here consist of.

use super::{
    Cond, Insn, Op, Size, Swap, Width, ABS, ALU, ALU64, ATOMIC, CALL_CODE, CMPXCHG, END, EXIT,
    GOTOX, IND, JCOND, JMP, JMP32, LD, LDX, LD_IMM64, MEM, MEMSX, PSEUDO_CALL, PSEUDO_FUNC,
    PSEUDO_KFUNC_CALL, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, ST, STATIC_BRANCH_JA, STATIC_BRANCH_NOP,
    STX, X,
};

pub fn ldx(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn::new(LDX | MEM | size as u8, dst, src, off, 0)
}

pub fn stx(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    Insn::new(STX | MEM | size as u8, dst, src, off, 0)
}

pub fn st(size: Size, dst: u8, off: i16, imm: i32) -> Insn {
    Insn::new(ST | MEM | size as u8, dst, 0, off, imm)
}

/// Load that extends the sign.
pub fn ldsx(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn::new(LDX | MEMSX | size as u8, dst, src, off, 0)
}

/// Atomic operation `op` on memory at `dst`; for [`LOAD_ACQ`] at `src`.
pub fn atomic(size: Size, dst: u8, off: i16, src: u8, op: i32) -> Insn {
    Insn::new(STX | ATOMIC | size as u8, dst, src, off, op)
}

/// Compare-and-exchange with r0.
pub fn cmpxchg(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    atomic(size, dst, off, src, CMPXCHG)
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
    wide(dst, PSEUDO_MAP_FD, fd, 0)
}

/// 64-bit immediate load of the address of byte `at` in the first value of a map.
pub fn ld_map_value(dst: u8, fd: i32, at: i32) -> [Insn; 2] {
    wide(dst, PSEUDO_MAP_VALUE, fd, at)
}

/// 64-bit immediate load of a callback, `off` instructions behind the next one.
pub fn ld_func(dst: u8, off: i32) -> [Insn; 2] {
    wide(dst, PSEUDO_FUNC, off, 0)
}

/// 64-bit immediate load of a number.
pub fn ld_imm64(dst: u8, value: u64) -> [Insn; 2] {
    wide(dst, 0, value as i32, (value >> 32) as i32)
}

fn wide(dst: u8, src: u8, low: i32, high: i32) -> [Insn; 2] {
    [
        Insn::new(LD_IMM64, dst, src, 0, low),
        Insn::new(0, 0, 0, 0, high),
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

/// Register to register, extending the sign of the low `bits`.
pub fn movsx(width: Width, dst: u8, src: u8, bits: i16) -> Insn {
    Insn {
        off: bits,
        ..alu_reg(width, Op::Mov, dst, src)
    }
}

/// Swaps the bytes of the low `bits`, of which there are 16, 32 or 64.
pub fn swap(kind: Swap, dst: u8, bits: i32) -> Insn {
    let code = match kind {
        Swap::ToLittle => ALU | END,
        Swap::ToBig => ALU | END | X,
        Swap::Always => ALU64 | END,
    };
    Insn::new(code, dst, 0, 0, bits)
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

/// Jump that compares with a number, of either width.
pub fn branch(width: Width, cond: Cond, dst: u8, imm: i32) -> Insn {
    Insn::new(width.jump_class() | cond as u8, dst, 0, 0, imm)
}

/// Jump that compares two registers, of either width.
pub fn branch_reg(width: Width, cond: Cond, dst: u8, src: u8) -> Insn {
    Insn::new(width.jump_class() | cond as u8 | X, dst, src, 0, 0)
}

pub fn ja(off: i16) -> Insn {
    jmp(Cond::Always, 0, 0, off)
}

/// Jump with a 32-bit offset.
pub fn gotol(off: i32) -> Insn {
    Insn::new(JMP32, 0, 0, 0, off)
}

/// Static branch with an offset of 16 or, if it is wide, of 32 bits. It begins as a nop or as a jump.
pub fn static_branch(wide: bool, nop: bool, off: i16) -> Insn {
    let flags = STATIC_BRANCH_JA | if nop { STATIC_BRANCH_NOP } else { 0 };
    if wide {
        Insn::new(JMP32, 0, flags, 0, off.into())
    } else {
        Insn::new(JMP, 0, flags, off, 0)
    }
}

/// Static branch that begins as a nop, with a 16-bit offset.
pub fn nop_or_goto(off: i16) -> Insn {
    static_branch(false, true, off)
}

pub fn may_goto(off: i16) -> Insn {
    Insn::new(JMP | JCOND, 0, 0, off, 0)
}

/// Call of a subprogram `off` instructions behind the next one.
pub fn call_rel(off: i32) -> Insn {
    Insn::new(CALL_CODE, 0, PSEUDO_CALL, 0, off)
}

/// Jump to the address in a register.
pub fn gotox(dst: u8) -> Insn {
    Insn::new(GOTOX, dst, 0, 0, 0)
}

/// Call of a kernel function by its number in the kernel's type information.
pub fn call_kernel(id: i32) -> Insn {
    Insn::new(CALL_CODE, 0, PSEUDO_KFUNC_CALL, 0, id)
}

/// Call of a helper by its number.
pub fn call(helper: u32) -> Insn {
    Insn::new(CALL_CODE, 0, 0, 0, helper as i32)
}

pub fn exit() -> Insn {
    Insn::new(JMP | EXIT, 0, 0, 0, 0)
}
