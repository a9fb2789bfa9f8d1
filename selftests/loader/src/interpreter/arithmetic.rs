// SPDX-License-Identifier: GPL-2.0

//! Arithmetic.

use crate::bpf::insn::{Insn, Op, Width, ALU64, END, X};

/// What an insn makes of the value of its register; None if there is no such insn.
pub fn result(insn: Insn, width: Width, value: u64, operand: u64) -> Option<u64> {
    if insn.code & 0xf0 == END {
        return swapped(insn, value);
    }
    let op = Op::of(insn.code)?;
    let signed = match (op, insn.off) {
        (Op::Div | Op::Mod, 1) => true,
        (Op::Mov, 8 | 16 | 32) if insn.code & X != 0 => {
            let unused = 64 - insn.off as u32;
            return Some(cut(width, ((operand << unused) as i64 >> unused) as u64));
        }
        (_, 0) => false,
        _ => return None,
    };
    let of_width = match (width, signed) {
        (Width::W64, false) => wide(op, value, operand),
        (Width::W64, true) => signed_wide(op, value as i64, operand as i64) as u64,
        (Width::W32, false) => narrow(op, value as u32, operand as u32),
        (Width::W32, true) => signed_narrow(op, value as i32, operand as i32) as u32 as u64,
    };
    Some(of_width)
}

fn cut(width: Width, value: u64) -> u64 {
    match width {
        Width::W32 => u64::from(value as u32),
        Width::W64 => value,
    }
}

fn wide(op: Op, a: u64, b: u64) -> u64 {
    match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::Div => a.checked_div(b).unwrap_or(0),
        Op::Mod => a.checked_rem(b).unwrap_or(a),
        Op::Or => a | b,
        Op::And => a & b,
        Op::Xor => a ^ b,
        Op::Lsh => a << (b & 63),
        Op::Rsh => a >> (b & 63),
        Op::Arsh => (a as i64 >> (b & 63)) as u64,
        Op::Neg => a.wrapping_neg(),
        Op::Mov => b,
    }
}

fn narrow(op: Op, a: u32, b: u32) -> u64 {
    let result = match op {
        Op::Lsh => a << (b & 31),
        Op::Rsh => a >> (b & 31),
        Op::Arsh => (a as i32 >> (b & 31)) as u32,
        // The others give the lower half of what they give in 64 bits.
        _ => wide(op, a.into(), b.into()) as u32,
    };
    result.into()
}

/// Division by 0 gives 0, what is left is all; what does not fit wraps.
fn signed_wide(op: Op, a: i64, b: i64) -> i64 {
    match (op, b) {
        (Op::Div, 0) => 0,
        (Op::Div, _) => a.wrapping_div(b),
        (_, 0) => a,
        _ => a.wrapping_rem(b),
    }
}

fn signed_narrow(op: Op, a: i32, b: i32) -> i32 {
    signed_wide(op, a.into(), b.into()) as i32
}

fn swapped(insn: Insn, value: u64) -> Option<u64> {
    let always = insn.code & 7 == ALU64;
    let to_big = insn.code & X != 0;
    // This is for processors with the low byte first.
    let swaps = always || to_big;
    Some(match (insn.imm, swaps) {
        (16, true) => u64::from((value as u16).swap_bytes()),
        (32, true) => u64::from((value as u32).swap_bytes()),
        (64, true) => value.swap_bytes(),
        (16, false) => u64::from(value as u16),
        (32, false) => u64::from(value as u32),
        (64, false) => value,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{alu_imm, alu_reg, movsx, signed, swap, Swap};
    use Width::{W32, W64};

    /// With the number as it is in an insn: extended by its sign.
    fn with(width: Width, op: Op, value: u64, imm: i32) -> u64 {
        let operand = i64::from(imm) as u64;
        result(alu_imm(width, op, 0, imm), width, value, operand).unwrap()
    }

    fn with_signed(width: Width, op: Op, value: u64, operand: u64) -> u64 {
        result(signed(alu_reg(width, op, 0, 1)), width, value, operand).unwrap()
    }

    #[test]
    fn in_both_widths() {
        let value = 0xffff_fff0_8000_0007;
        for (op, imm, wide, narrow) in [
            (Op::Add, -8, 0xffff_fff0_7fff_ffff, 0x7fff_ffff),
            (Op::Sub, 8, 0xffff_fff0_7fff_ffff, 0x7fff_ffff),
            (Op::Mul, 2, 0xffff_ffe1_0000_000e, 0xe),
            (Op::Div, 4, 0x3fff_fffc_2000_0001, 0x2000_0001),
            (Op::Div, 0, 0, 0),
            (Op::Mod, 4, 3, 3),
            (Op::Mod, 0, value, 0x8000_0007),
            (Op::Or, -16, u64::MAX - 8, 0xffff_fff7),
            (Op::And, -4, 0xffff_fff0_8000_0004, 0x8000_0004),
            (Op::Xor, -1, 0xf_7fff_fff8, 0x7fff_fff8),
            (Op::Lsh, 33, 0x0000_000e_0000_0000, 0xe),
            (Op::Rsh, 33, 0x7fff_fff8, 0x4000_0003),
            (Op::Arsh, 33, 0xffff_ffff_ffff_fff8, 0xc000_0003),
            (Op::Neg, 0, 0xf_7fff_fff9, 0x7fff_fff9),
            (Op::Mov, -3, u64::MAX - 2, 0xffff_fffd),
        ] {
            assert_eq!(with(W64, op, value, imm), wide, "{op:?}");
            assert_eq!(with(W32, op, value, imm), narrow, "{op:?}");
        }
    }

    #[test]
    fn signed_division() {
        let neg = |n: i64| -n as u64;
        assert_eq!(with_signed(W64, Op::Div, neg(7), 2), neg(3));
        assert_eq!(with_signed(W64, Op::Mod, neg(7), 2), neg(1));
        assert_eq!(with_signed(W64, Op::Div, neg(7), 0), 0);
        assert_eq!(with_signed(W64, Op::Mod, neg(7), 0), neg(7));
        let least = i64::MIN as u64;
        assert_eq!(with_signed(W64, Op::Div, least, neg(1)), least);
        assert_eq!(with_signed(W64, Op::Mod, least, neg(1)), 0);
        assert_eq!(with_signed(W32, Op::Div, 0x8000_0000, neg(1)), 0x8000_0000);
        assert_eq!(with_signed(W32, Op::Mod, neg(7), 2), 0xffff_ffff);
    }

    #[test]
    fn moves_and_swaps() {
        let moved = |width, bits| result(movsx(width, 0, 1, bits), width, 9, 0x1_8000_8080);
        assert_eq!(moved(W64, 8), Some(u64::MAX - 127));
        assert_eq!(moved(W32, 16), Some(0xffff_8080));
        assert_eq!(moved(W64, 32), Some(0xffff_ffff_8000_8080));
        let swapped = |kind, bits| result(swap(kind, 0, bits), W64, 0x0102_0304_0506_0708, 0);
        assert_eq!(swapped(Swap::ToBig, 16), Some(0x0807));
        assert_eq!(swapped(Swap::ToLittle, 32), Some(0x0506_0708));
        assert_eq!(swapped(Swap::Always, 64), Some(0x0807_0605_0403_0201));
        assert_eq!(swapped(Swap::Always, 8), None);
    }
}
