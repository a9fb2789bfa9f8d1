// SPDX-License-Identifier: GPL-2.0

//! Registers that a mispredicted branch makes something else.

use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, branch_reg, ja, ldx, mov, mov_reg, stx, Cond, Insn, Op,
};
use crate::programs::generator::asm::Label;
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    /// A register that has a number, but a pointer should the processor take a branch that it should
    /// not: what then uses it gets a speculation barrier in front.
    ///
    /// With `pointer` it is the other way round: the context, and a number if mispredicted.
    fn confused(&mut self, pointer: bool) -> Option<u8> {
        let ctx = self.ctx?;
        let fields = &self.env.fields.loads;
        if fields.is_empty() {
            return None;
        }
        let (size, off) = self.rng.pick(fields);
        let odd = self.writable();
        let confused = self.writable_but(1 << odd);
        let (never, end) = (self.code.label(), self.code.label());
        self.emit(&[
            ldx(size, odd, ctx, off),
            if pointer {
                mov_reg(confused, ctx)
            } else {
                mov(confused, 3)
            },
            alu_imm(W64, Op::And, odd, 1),
        ]);
        self.emit_to(branch(W64, Cond::Gt, odd, 5), never);
        self.emit_to(ja(0), end);
        self.code.place(never);
        self.emit(&[if pointer {
            mov(confused, 0)
        } else {
            mov_reg(confused, ctx)
        }]);
        self.code.place(end);
        self.set(odd, Value::Number);
        self.set(confused, if pointer { Value::None } else { Value::Number });
        Some(confused)
    }

    pub(super) fn confuse(&mut self) {
        let pointer = self.rng.percent(40);
        let Some(reg) = self.confused(pointer) else {
            return self.alu();
        };
        if pointer {
            self.confused_access(reg);
            return;
        }
        let width = self.width();
        match self.rng.below(4) {
            0 => self.emit(&[alu_imm(width, Op::Mul, reg, 3)]),
            1 => {
                let by = self.number();
                let op = self.rng.pick(&[Op::Div, Op::Mod]);
                self.emit(&[alu_reg(width, op, reg, by)]);
            }
            2 => {
                let over = self.code.label();
                self.confused_jump(reg, over);
                let before = self.state;
                self.alu();
                self.state.meet(&before);
                self.code.place(over);
            }
            _ => match self.exit_before() {
                // The jump leads back.
                Some(exit) => self.confused_jump(reg, exit),
                None => self.emit(&[alu_imm(width, Op::Xor, reg, 3)]),
            },
        }
    }

    /// Accesses the context, which is converted, and has a barrier in front.
    fn confused_access(&mut self, reg: u8) {
        let fields = self.env.fields;
        if !fields.stores.is_empty() && self.rng.percent(40) {
            let (size, off) = self.rng.pick(&fields.stores);
            let mut src = 0;
            self.with_locked(&[reg], |body| src = body.number());
            self.emit(&[stx(size, reg, off, src)]);
        } else {
            let (size, off) = self.rng.pick(&fields.loads);
            let mut dst = 0;
            self.with_locked(&[reg], |body| dst = body.writable());
            self.emit(&[ldx(size, dst, reg, off)]);
            self.set(dst, Value::Unknown);
        }
        self.set(reg, Value::None);
    }

    fn confused_jump(&mut self, reg: u8, to: Label) {
        let width = self.width();
        let cond = self.rng.pick(&[Cond::Gt, Cond::Ge, Cond::Eq, Cond::Slt]);
        let insn: Insn = if self.rng.percent(50) {
            // Neither outcome is certain, as the other register is unknown.
            let mut other = reg;
            self.with_locked(&[reg], |body| other = body.fresh());
            branch_reg(width, cond, other, reg)
        } else {
            branch(width, cond, reg, 2)
        };
        self.emit_to(insn, to);
    }

    /// A jump that is taken or not; an ordinary user's may get a barrier.
    pub fn confuse_or_not(&mut self, to: Label) {
        if self.env.profile.unprivileged && self.rng.percent(70) {
            if let Some(reg) = self.confused(false) {
                self.confused_jump(reg, to);
                return;
            }
        }
        self.jump_maybe(to);
    }
}
