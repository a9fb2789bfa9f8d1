// SPDX-License-Identifier: GPL-2.0

//! Loops.

use crate::bpf::insn::{alu_imm, branch, may_goto, mov, Cond, Op, Width};
use crate::programs::generator::body::{Body, FP};
use crate::programs::generator::state::{State, Value};

/// Loops in a function.
const LOOPS: u32 = 3;

impl Body<'_> {
    pub(super) fn may_loop(&self) -> bool {
        !self.in_loop && (self.loops < LOOPS || self.dead)
    }

    /// What a loop's body may rely on: its start is reached from its end, too.
    fn loop_start(&mut self) -> State {
        for (reg, value) in self.state.regs.iter_mut().enumerate() {
            let ours = self.ctx == Some(reg as u8);
            match *value {
                Value::Context if !ours => *value = Value::None,
                Value::Unknown => *value = Value::Number,
                _ => {}
            }
        }
        for value in &mut self.state.stack {
            match *value {
                Value::Context => *value = Value::None,
                Value::Unknown => *value = Value::Number,
                _ => {}
            }
        }
        self.state
    }

    /// Makes what the start relies on true again.
    ///
    /// Registers that were written mostly become constants: what sums up from one turn to the next may
    /// take the verifier as many turns as it has patience for.
    fn loop_end(&mut self, start: &State) {
        let sums = self.rng.percent(10);
        for reg in 0..10 {
            let (was, is) = (start.regs[reg as usize], self.state.regs[reg as usize]);
            let written = self.written & 1 << reg != 0 && !self.is_locked(reg);
            if was.is_number() && (!is.is_number() || written && !sums) {
                self.mov_imm(reg);
            }
        }
        for slot in 0..start.stack.len() {
            if start.stack[slot].is_number() && !self.state.stack[slot].is_number() {
                self.store_slot(slot);
            }
        }
        self.state.meet(start);
    }

    /// A loop with a counter.
    pub(super) fn counted_loop(&mut self) {
        let free: Vec<u8> = (6..10).filter(|&reg| !self.is_locked(reg)).collect();
        if free.is_empty() || self.env.profile.large && self.rng.percent(80) {
            return self.alu();
        }
        let counter = self.rng.pick(&free);
        let times = self.rng.range(1, 5);
        self.emit(&[mov(counter, 0)]);
        self.set(counter, Value::Number);
        let start = self.loop_start();
        let (head, end) = (self.code.label(), self.code.label());
        let at_head = self.rng.percent(50);
        let width = self.width();
        let outer = self.times;
        self.times *= times as u32 + 1;
        self.code.place(head);
        if at_head {
            self.emit_to(branch(width, Cond::Ge, counter, times), end);
        }
        self.loop_body(counter, &start);
        self.emit(&[alu_imm(Width::W64, Op::Add, counter, 1)]);
        if at_head {
            self.jump(head);
        } else {
            let cond = self.rng.pick(&[Cond::Lt, Cond::Ne, Cond::Slt]);
            let most = times.max(1);
            self.emit_to(branch(width, cond, counter, most), head);
        }
        self.code.place(end);
        self.times = outer;
    }

    fn loop_body(&mut self, counter: u8, start: &State) {
        self.in_loop = true;
        self.loops += 1;
        self.written = 0;
        let len = self.rng.range(1, 12) as usize;
        self.with_locked(&[counter], |body| {
            body.block(len);
            body.loop_end(start);
        });
        self.in_loop = false;
    }

    /// A loop that the kernel ends.
    pub(super) fn may_goto_loop(&mut self) {
        let start = self.loop_start();
        let (head, end) = (self.code.label(), self.code.label());
        let at_head = self.rng.percent(60);
        let outer = self.times;
        self.times *= 6;
        self.code.place(head);
        if at_head {
            self.emit_to(may_goto(0), end);
        }
        // FP is never written anyway.
        self.loop_body(FP, &start);
        if !at_head {
            self.emit_to(may_goto(0), end);
        }
        self.jump(head);
        self.code.place(end);
        self.times = outer;
    }
}
