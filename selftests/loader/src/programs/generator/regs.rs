// SPDX-License-Identifier: GPL-2.0

//! Registers, and jumps that are taken or not.

use crate::bpf::insn::{branch, branch_reg, gotol, ja, ldx, may_goto, mov, Cond, Size, Width};
use crate::programs::generator::asm::Label;
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    pub fn is_locked(&self, reg: u8) -> bool {
        self.locked & 1 << reg != 0
    }

    /// Keeps `regs` from being written while `write` runs.
    pub fn with_locked(&mut self, regs: &[u8], write: impl FnOnce(&mut Self)) {
        let before = self.locked;
        for reg in regs {
            self.locked |= 1 << reg;
        }
        write(self);
        self.locked = before;
    }

    pub fn set(&mut self, reg: u8, value: Value) {
        self.state.regs[reg as usize] = value;
    }

    /// A register that may be written.
    pub fn writable(&mut self) -> u8 {
        self.writable_but(0)
    }

    /// The same, but none of the registers in the mask.
    pub fn writable_but(&mut self, mask: u16) -> u8 {
        let taken = self.locked | mask;
        let free: Vec<u8> = (0..10).filter(|reg| taken & 1 << reg == 0).collect();
        self.rng.pick(&free)
    }

    pub fn mov_imm(&mut self, reg: u8) {
        let imm = self.rng.imm();
        self.emit(&[mov(reg, imm)]);
        self.set(reg, Value::Number);
    }

    /// A register with a number in it.
    pub fn number(&mut self) -> u8 {
        self.find(|_, value| value.is_number())
    }

    /// A register with a number in it that may be written.
    pub fn writable_number(&mut self) -> u8 {
        let locked = self.locked;
        self.find(|reg, value| value.is_number() && locked & 1 << reg == 0)
    }

    fn find(&mut self, wanted: impl Fn(u8, Value) -> bool) -> u8 {
        let regs = self.state.regs;
        let found: Vec<u8> = (0..10)
            .filter(|&reg| wanted(reg, regs[reg as usize]))
            .collect();
        if found.is_empty() {
            let reg = self.writable();
            self.mov_imm(reg);
            return reg;
        }
        self.rng.pick(&found)
    }

    /// A register with a number just read, that nothing else depends on.
    pub fn fresh(&mut self) -> u8 {
        let reg = self.writable();
        match self.ctx {
            Some(ctx) if !self.env.fields.loads.is_empty() => {
                let (size, off) = self.rng.pick(&self.env.fields.loads);
                self.emit(&[ldx(size, reg, ctx, off)]);
            }
            _ => {
                let off = self.rng.range(0, 7) as i16 * 8;
                let value = self.env.maps.value(reg);
                self.emit(&value);
                let size = self.rng.pick(&[Size::B, Size::H, Size::W, Size::DW]);
                self.emit(&[ldx(size, reg, reg, off)]);
            }
        }
        self.set(reg, Value::Unknown);
        reg
    }

    /// A jump to `label` that is taken or not.
    pub fn jump_maybe(&mut self, label: Label) {
        if !self.env.profile.unprivileged && self.rng.percent(4) {
            self.emit_to(may_goto(0), label);
            return;
        }
        self.branches += 1;
        let regs = self.state.regs;
        let known: Vec<u8> = (0..10)
            .filter(|&reg| regs[reg as usize] == Value::Unknown)
            .collect();
        let reg = if known.is_empty() || self.rng.percent(70) {
            self.fresh()
        } else {
            self.rng.pick(&known)
        };
        let width = self.width();
        let cond = self.cond();
        if self.rng.percent(25) {
            let other = self.number();
            self.emit_to(branch_reg(width, cond, reg, other), label);
        } else {
            let imm = self.rng.imm();
            self.emit_to(branch(width, cond, reg, imm), label);
        }
    }

    pub fn width(&mut self) -> Width {
        self.rng.pick(&[Width::W32, Width::W64])
    }

    pub fn cond(&mut self) -> Cond {
        self.rng.pick(&Cond::ALL)
    }

    /// A jump to `label` that is always taken.
    pub fn jump(&mut self, label: Label) {
        let insn = if self.rng.percent(30) {
            gotol(0)
        } else {
            ja(0)
        };
        self.emit_to(insn, label);
    }
}
