// SPDX-License-Identifier: GPL-2.0

//! Accesses to memory.

use crate::bpf::insn::Size::{self, B, DW, H, W};
use crate::bpf::insn::{atomic, ldsx, ldx, st, stx, Op, CMPXCHG, FETCH, LOAD_ACQ, STORE_REL, XCHG};
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

/// Memory that a statement may use: `len` bytes at `reg` + `off`, `off` being a multiple of 8.
#[derive(Clone, Copy)]
pub struct Memory {
    pub reg: u8,
    pub off: i16,
    pub len: i16,
}

impl Body<'_> {
    /// A load, a store or an atomic operation.
    pub(super) fn access(&mut self, memory: Memory) {
        let size = self.rng.pick(&[B, H, W, DW]);
        let places = memory.len / size.bytes();
        let off = memory.off + self.rng.below(places as usize) as i16 * size.bytes();
        let reg = memory.reg;
        match self.rng.below(7) {
            0 | 1 => {
                let dst = self.writable();
                self.emit(&[ldx(size, dst, reg, off)]);
                self.set(dst, Value::Number);
            }
            2 if size != DW => {
                let dst = self.writable();
                self.emit(&[ldsx(size, dst, reg, off)]);
                self.set(dst, Value::Number);
            }
            3 => {
                let src = self.number();
                self.emit(&[stx(size, reg, off, src)]);
            }
            4 => {
                let imm = self.rng.imm();
                self.emit(&[st(size, reg, off, imm)]);
            }
            5 if matches!(size, W | DW) => self.atomic(size, reg, off),
            _ => {
                if self.rng.percent(50) {
                    let dst = self.writable();
                    self.emit(&[atomic(size, dst, off, reg, LOAD_ACQ)]);
                    self.set(dst, Value::Number);
                } else {
                    let src = self.number();
                    self.emit(&[atomic(size, reg, off, src, STORE_REL)]);
                }
            }
        }
    }

    fn atomic(&mut self, size: Size, reg: u8, off: i16) {
        let op = self.rng.pick(&[Op::Add, Op::Or, Op::And, Op::Xor]) as i32;
        match self.rng.below(5) {
            0 | 1 => {
                let src = self.number();
                self.emit(&[atomic(size, reg, off, src, op)]);
            }
            2 | 3 => {
                let src = self.writable_number();
                let op = self.rng.pick(&[op | FETCH, XCHG]);
                self.emit(&[atomic(size, reg, off, src, op)]);
                self.set(src, Value::Number);
            }
            // Compares with r0 and leaves the result there.
            _ if self.is_locked(0) => {}
            _ => {
                if !self.state.regs[0].is_number() {
                    self.mov_imm(0);
                }
                let src = self.number();
                self.emit(&[atomic(size, reg, off, src, CMPXCHG)]);
                self.set(0, Value::Number);
            }
        }
    }
}
