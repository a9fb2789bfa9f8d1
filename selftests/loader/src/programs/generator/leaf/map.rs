// SPDX-License-Identifier: GPL-2.0

//! Maps and their values.

use libbpf_sys::{BPF_FUNC_map_delete_elem, BPF_FUNC_map_lookup_elem, BPF_FUNC_map_update_elem};

use super::memory::Memory;
use crate::bpf::insn::Size::{B, DW};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, alu_reg, call, jmp, ldx, mov, mov_reg, st, stx, Cond, Op};
use crate::programs::generator::body::{Body, Role, FP};
use crate::programs::generator::maps::VALUE;
use crate::programs::generator::state::Value;

/// Where keys of maps are in the frame.
const KEY: i16 = -72;

impl Body<'_> {
    /// A key on the stack, its address in r2.
    fn key(&mut self) {
        if self.rng.percent(50) {
            let key = self.rng.range(0, 5);
            self.emit(&[st(DW, FP, KEY, key)]);
        } else {
            let key = self.number();
            self.emit(&[stx(DW, FP, KEY, key)]);
        }
        self.emit(&[mov_reg(2, FP), alu_imm(W64, Op::Add, 2, i32::from(KEY))]);
    }

    pub(super) fn lookup(&mut self) {
        self.key();
        let found = self.code.label();
        if self.rng.percent(15) {
            let map = self.env.maps.any_in(1, self.rng);
            self.emit(&map);
            // Functions have no room for a value on the stack when calls are nested.
            if self.role != Role::Main || self.rng.percent(50) {
                self.emit(&[call(BPF_FUNC_map_delete_elem)]);
            } else {
                for slot in 0..8 {
                    self.emit(&[st(DW, FP, KEY - 8 - 8 * slot, 0)]);
                }
                let value = i32::from(KEY) - i32::from(VALUE);
                self.emit(&[
                    mov_reg(2, FP),
                    alu_imm(W64, Op::Add, 2, i32::from(KEY)),
                    mov_reg(3, FP),
                    alu_imm(W64, Op::Add, 3, value),
                    mov(4, 0),
                ]);
                let map = self.env.maps.array_in(1);
                self.emit(&map);
                self.emit(&[call(BPF_FUNC_map_update_elem)]);
            }
            self.state.call(Value::Number);
            return;
        }
        let nested = self.rng.percent(25);
        let map = if nested {
            self.env.maps.outer_in(1)
        } else {
            self.env.maps.any_in(1, self.rng)
        };
        self.emit(&map);
        self.emit(&[call(BPF_FUNC_map_lookup_elem)]);
        self.state.call(Value::None);
        self.emit_to(jmp(Cond::Eq, 0, 0, 0), found);
        if nested {
            self.emit(&[
                mov_reg(1, 0),
                mov_reg(2, FP),
                alu_imm(W64, Op::Add, 2, i32::from(KEY)),
                call(BPF_FUNC_map_lookup_elem),
            ]);
            self.emit_to(jmp(Cond::Eq, 0, 0, 0), found);
        }
        let before = self.state;
        self.value_at(0);
        self.state.meet(&before);
        self.code.place(found);
        self.set(0, Value::None);
    }

    /// Address of a value without a look-up.
    pub(super) fn map_value(&mut self) {
        let reg = self.writable();
        let value = self.env.maps.value(reg);
        self.emit(&value);
        self.set(reg, Value::None);
        self.value_at(reg);
        self.set(reg, Value::None);
    }

    /// Accesses to a map's value, whose address `reg` has.
    fn value_at(&mut self, reg: u8) {
        self.with_locked(&[reg], |body| {
            for _ in 0..body.rng.range(1, 3) {
                body.access(Memory {
                    reg,
                    off: 0,
                    len: VALUE,
                });
            }
            if body.rng.percent(30) {
                body.moved(reg);
            }
        });
    }

    /// An access at an address that is computed.
    fn moved(&mut self, reg: u8) {
        let by = self.fresh();
        let mask = self.rng.pick(&[1, 7, 15, 31]);
        self.emit(&[alu_imm(W64, Op::And, by, mask)]);
        self.set(by, Value::Number);
        if self.rng.percent(30) && !self.env.profile.unprivileged {
            self.emit(&[
                alu_imm(W64, Op::Add, reg, 32),
                alu_reg(W64, Op::Sub, reg, by),
            ]);
        } else {
            self.emit(&[alu_reg(W64, Op::Add, reg, by)]);
        }
        let dst = self.writable();
        let off = self.rng.range(0, 31) as i16;
        self.emit(&[ldx(B, dst, reg, off)]);
        self.set(dst, Value::Number);
    }
}
