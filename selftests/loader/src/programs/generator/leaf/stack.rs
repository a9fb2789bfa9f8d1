// SPDX-License-Identifier: GPL-2.0

//! The stack.

use super::memory::Memory;
use crate::bpf::insn::Size::DW;
use crate::bpf::insn::{ldx, st, stx};
use crate::programs::generator::body::{Body, FP};
use crate::programs::generator::state::{Value, SLOTS};

impl Body<'_> {
    fn slot_off(slot: usize) -> i16 {
        -8 * (slot as i16 + 1)
    }

    pub fn store_slot(&mut self, slot: usize) {
        let off = Self::slot_off(slot);
        let imm = self.rng.imm();
        self.emit(&[st(DW, FP, off, imm)]);
        self.state.stack[slot] = Value::Number;
    }

    pub(super) fn stack(&mut self) {
        let slot = self.rng.below(SLOTS);
        let off = Self::slot_off(slot);
        if !self.state.stack[slot].is_number() || self.rng.percent(20) {
            if self.rng.percent(40) {
                self.store_slot(slot);
            } else {
                let src = self.number();
                self.emit(&[stx(DW, FP, off, src)]);
                self.state.stack[slot] = Value::Number;
            }
            return;
        }
        self.access(Memory {
            reg: FP,
            off,
            len: 8,
        });
    }

    /// The context goes to the stack and comes back.
    pub(super) fn spill(&mut self) {
        let (Some(ctx), false) = (self.ctx, self.env.fields.loads.is_empty()) else {
            return self.stack();
        };
        let slot = self.rng.below(SLOTS);
        let off = Self::slot_off(slot);
        if self.state.stack[slot] != Value::Context {
            self.emit(&[stx(DW, FP, off, ctx)]);
            self.state.stack[slot] = Value::Context;
            return;
        }
        let reg = self.writable();
        let (size, at) = self.rng.pick(&self.env.fields.loads);
        self.emit(&[ldx(DW, reg, FP, off), ldx(size, reg, reg, at)]);
        self.set(reg, Value::Unknown);
    }
}
