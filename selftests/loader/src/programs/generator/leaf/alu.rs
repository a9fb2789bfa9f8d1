// SPDX-License-Identifier: GPL-2.0

//! Arithmetic.

use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{alu_imm, alu_reg, ld_imm64, movsx, signed, swap, Op, Swap};
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    pub fn alu(&mut self) {
        let width = self.width();
        match self.rng.below(12) {
            0 => {
                let dst = self.writable();
                self.mov_imm(dst);
            }
            1 => {
                let src = self.number();
                let dst = self.writable();
                self.emit(&[alu_reg(width, Op::Mov, dst, src)]);
                self.set(dst, self.state.regs[src as usize]);
            }
            2 => {
                let src = self.number();
                let dst = self.writable();
                let bits = match width {
                    W32 => self.rng.pick(&[8, 16]),
                    W64 => self.rng.pick(&[8, 16, 32]),
                };
                self.emit(&[movsx(width, dst, src, bits)]);
                self.set(dst, Value::Number);
            }
            3 => {
                let dst = self.writable();
                let value = self.rng.next() >> self.rng.below(64);
                self.emit(&ld_imm64(dst, value));
                self.set(dst, Value::Number);
            }
            4 => {
                let dst = self.writable_number();
                let kind = self.rng.pick(&[Swap::ToLittle, Swap::ToBig, Swap::Always]);
                let bits = self.rng.pick(&[16, 32, 64]);
                self.emit(&[swap(kind, dst, bits)]);
            }
            5 => {
                let dst = self.writable_number();
                self.emit(&[alu_imm(width, Op::Neg, dst, 0)]);
            }
            6 => {
                let dst = self.writable_number();
                let op = self.rng.pick(&[Op::Lsh, Op::Rsh, Op::Arsh]);
                let most = if width == W32 { 31 } else { 63 };
                let by = self.rng.range(0, most);
                self.emit(&[alu_imm(width, op, dst, by)]);
            }
            7..=9 => {
                let dst = self.writable_number();
                let op = self.arithmetic();
                let imm = self.rng.imm();
                self.emit(&[alu_imm(width, op, dst, imm)]);
            }
            _ => {
                let dst = self.writable_number();
                let src = self.number();
                let op = match self.rng.below(4) {
                    0 => self.rng.pick(&[Op::Lsh, Op::Rsh, Op::Arsh]),
                    _ => self.arithmetic(),
                };
                self.emit(&[alu_reg(width, op, dst, src)]);
                self.set(dst, Value::Number);
            }
        }
    }

    fn arithmetic(&mut self) -> Op {
        self.rng
            .pick(&[Op::Add, Op::Sub, Op::Mul, Op::Or, Op::And, Op::Xor])
    }

    pub(super) fn divide(&mut self) {
        let width = self.width();
        let op = self.rng.pick(&[Op::Div, Op::Mod]);
        let dst = self.writable_number();
        let plain = if self.rng.percent(70) {
            let src = self.number();
            alu_reg(width, op, dst, src)
        } else {
            let by = self.rng.pick(&[-1, -1, 1, 2, 3, 7, 8, i32::MIN]);
            alu_imm(width, op, dst, by)
        };
        let insn = if self.rng.percent(50) {
            signed(plain)
        } else {
            plain
        };
        self.emit(&[insn]);
        self.set(dst, Value::Number);
    }
}
