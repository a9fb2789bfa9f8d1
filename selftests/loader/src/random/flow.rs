// SPDX-License-Identifier: GPL-2.0

//! Writes statements that others go into, or that paths fork or meet at: branches, loops, dead code,
//! calls.

use crate::insn::{
    alu_imm, branch, call, call_rel, ja, ld_func, may_goto, mov, mov_reg, Cond, Op, Width,
};
use crate::random::asm::Label;
use crate::random::body::{Body, Callee, Role, FP};
use crate::random::profile::Statement;
use crate::random::state::{State, Value};

/// Instructions that the verifier may have to look at for one function, calls and loops included.
const PATIENCE: u32 = 2_500;
/// Loops in a function.
const LOOPS: u32 = 3;
/// Branches in a program of an ordinary user: all its numbers are precise, so paths hardly ever meet.
const UNPRIVILEGED_BRANCHES: u32 = 6;
/// Conditional jumps reach no further; leaves room for what grows.
const REACH: usize = 32_000;
/// And those that are meant to reach as far as they can no further than this, as their targets stand
/// behind the next statement.
const FARTHEST: usize = 32_700;

/// A jump forward whose target is not placed yet.
struct Pending {
    label: Label,
    /// Length of the code at which it is to be placed.
    at: usize,
    state: State,
}

impl Body<'_> {
    /// Statements, about `len` instructions of them.
    pub fn block(&mut self, len: usize) {
        let end = self.code.len() + len;
        let mut pending = Vec::new();
        self.depth += 1;
        if len > FARTHEST && self.rng.percent(60) {
            self.far_jump(&mut pending);
        }
        while self.code.len() < end {
            let now = self.code.len();
            self.place(&mut pending, now);
            let left = end.saturating_sub(self.code.len()).max(1);
            self.statement(left, &mut pending);
        }
        self.place(&mut pending, usize::MAX);
        self.depth -= 1;
    }

    /// Places the labels that are due.
    fn place(&mut self, pending: &mut Vec<Pending>, now: usize) {
        pending.retain(|jump| {
            if jump.at > now {
                return true;
            }
            self.code.place(jump.label);
            self.state.meet(&jump.state);
            false
        });
    }

    fn statement(&mut self, left: usize, pending: &mut Vec<Pending>) {
        let statement = self.env.profile.pick(self.rng);
        if self.weight > PATIENCE && !self.env.profile.large && statement.branches() {
            return self.alu();
        }
        if statement.branches()
            && self.env.profile.unprivileged
            && self.branches >= UNPRIVILEGED_BRANCHES
        {
            return self.alu();
        }
        match statement {
            Statement::If => self.if_else(left),
            Statement::Forward => self.forward(left, pending),
            Statement::Exit => self.early_exit(),
            Statement::Loop if self.may_loop() => self.counted_loop(),
            Statement::MayGoto if self.may_loop() => self.may_goto_loop(),
            Statement::Dead => self.dead_code(),
            Statement::Call => self.call_subprogram(false),
            Statement::Callback => self.callback(),
            Statement::Segment if self.depth == 1 && self.code.segments() < 12 => self.segment(),
            Statement::Nops => self.nops(),
            other => self.leaf(other),
        }
    }

    fn may_loop(&self) -> bool {
        !self.in_loop && (self.loops < LOOPS || self.dead)
    }

    /// Instructions for an inner block.
    fn inner_len(&mut self, left: usize) -> usize {
        let most = left.min(if self.in_loop || self.depth > 3 {
            5
        } else {
            25
        });
        self.rng.range(1, most.max(1) as i32) as usize
    }

    fn if_else(&mut self, left: usize) {
        let (other, end) = (self.code.label(), self.code.label());
        self.jump_maybe(other);
        let before = self.state;
        let len = self.inner_len(left);
        self.block(len);
        match self.rng.below(10) {
            // The first branch ends the program.
            0..=2 => {
                self.exit();
                self.code.place(other);
                self.state = before;
            }
            3..=5 => {
                self.jump(end);
                let after = std::mem::replace(&mut self.state, before);
                self.code.place(other);
                let len = self.inner_len(left);
                self.block(len);
                self.code.place(end);
                self.state.meet(&after);
            }
            _ => {
                self.code.place(other);
                self.state.meet(&before);
            }
        }
    }

    /// A jump over what follows, whatever that is.
    fn forward(&mut self, left: usize, pending: &mut Vec<Pending>) {
        let label = self.code.label();
        self.jump_maybe(label);
        let most = if self.env.profile.large && self.depth == 1 && self.rng.percent(20) {
            left.min(REACH)
        } else {
            left.min(60)
        };
        let far = self.rng.range(1, most.max(1) as i32) as usize;
        self.pending(label, far, pending);
    }

    /// A jump that only just reaches its target, so that what grows may take it out of reach.
    fn far_jump(&mut self, pending: &mut Vec<Pending>) {
        let label = self.code.label();
        self.jump_maybe(label);
        let far = self.rng.range(FARTHEST as i32 - 200, FARTHEST as i32) as usize;
        self.pending(label, far, pending);
    }

    fn pending(&self, label: Label, far: usize, pending: &mut Vec<Pending>) {
        pending.push(Pending {
            label,
            at: self.code.len() + far,
            state: self.state,
        });
    }

    /// The function ends here, maybe: at a block of its own, at one before this, at the common end.
    fn early_exit(&mut self) {
        let now = self.code.len();
        let near: Vec<Label> = self
            .exits
            .iter()
            .filter(|(_, at)| now - at < REACH)
            .map(|&(label, _)| label)
            .collect();
        match self.rng.below(3) {
            0 if !near.is_empty() => {
                let label = self.rng.pick(&near);
                self.jump_maybe(label);
            }
            1 if !self.env.profile.large => {
                let out = match self.out {
                    Some(out) => out,
                    None => self.code.label(),
                };
                self.out = Some(out);
                // The end does not rely on r0.
                self.jump_maybe(out);
            }
            _ => {
                let (over, here) = (self.code.label(), self.code.label());
                self.jump_maybe(over);
                self.code.place(here);
                self.exits.push((here, self.code.len()));
                self.exit();
                self.code.place(over);
            }
        }
    }

    /// Some exit block that stands before this.
    pub fn exit_before(&mut self) -> Option<Label> {
        let exits = &self.exits;
        (!exits.is_empty()).then(|| exits[self.rng.below(exits.len())].0)
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
    fn counted_loop(&mut self) {
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
    fn may_goto_loop(&mut self) {
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

    /// Code that never runs, as only verification finds out.
    fn dead_code(&mut self) {
        let reg = self.writable();
        let known = self.rng.imm();
        let width = self.width();
        let cond = self.cond();
        let imm = if self.rng.percent(50) {
            known
        } else {
            self.rng.imm()
        };
        let taken = holds(width, cond, known, imm);
        self.emit(&[mov(reg, known)]);
        self.set(reg, Value::Number);
        let (dead, end) = (self.code.label(), self.code.label());
        let len = self.rng.pick(&[1, 1, 2, 3, 8, 20]);
        let before = self.state;
        if taken {
            self.emit_to(branch(width, cond, reg, imm), end);
            self.dead_block(len);
            if self.rng.percent(20) {
                self.exit();
            }
        } else {
            self.emit_to(branch(width, cond, reg, imm), dead);
            self.jump(end);
            self.code.place(dead);
            self.dead_block(len);
            self.exit();
        }
        self.state = before;
        self.code.place(end);
    }

    fn dead_block(&mut self, len: usize) {
        let (was, times) = (self.dead, self.times);
        self.dead = true;
        // What ordinary users never run is looked at all the same, for the processor might run it.
        self.times = u32::from(self.env.profile.unprivileged);
        self.block(len);
        self.times = times;
        self.dead = was;
    }

    /// Instructions that do nothing.
    fn nops(&mut self) {
        let may = !self.env.profile.unprivileged;
        match self.rng.below(5) {
            0 => self.emit(&[ja(0)]),
            1 => self.emit(&[ja(0), ja(0)]),
            2 if may => self.emit(&[may_goto(0)]),
            3 if may => {
                // The kernel removes all of them, from the last on.
                let count = self.rng.range(2, 4) as i16;
                for off in (0..count).rev() {
                    self.emit(&[may_goto(off)]);
                }
            }
            _ => {
                // The second goes, the first stays although it then does nothing either. That both
                // can be reached takes a third.
                let second = self.code.label();
                self.jump_maybe(second);
                self.emit(&[ja(1)]);
                self.code.place(second);
                self.emit(&[ja(0)]);
            }
        }
    }

    /// Calls a function; with `first`, as the first instruction of this one.
    pub fn call_subprogram(&mut self, first: bool) {
        let limit = PATIENCE.saturating_sub(self.weight) / self.times.max(1);
        let (has_ctx, dead) = (self.ctx.is_some() || first, self.dead);
        let fits = |callee: &&Callee| {
            (dead || !callee.dead && callee.weight <= limit)
                && match callee.role {
                    Role::Context => has_ctx,
                    Role::Number | Role::Global => !first,
                    Role::Main | Role::Callback => false,
                }
        };
        let fitting: Vec<Callee> = self.callees.iter().filter(fits).copied().collect();
        if fitting.is_empty() {
            if !first {
                self.alu();
            }
            return;
        }
        let callee = self.rng.pick(&fitting);
        if !first {
            let argument = match (callee.role, self.ctx) {
                (Role::Context, Some(ctx)) => mov_reg(1, ctx),
                _ if self.rng.percent(30) => mov(1, self.rng.imm()),
                _ => mov_reg(1, self.number()),
            };
            self.emit(&[argument]);
        }
        self.code.emit_ref(call_rel(0), callee.number);
        self.weight += self.times * (callee.weight + 1);
        self.state.call(Value::Number);
    }

    /// Calls a helper that calls back.
    fn callback(&mut self) {
        let limit = PATIENCE.saturating_sub(self.weight) / self.times.max(1) / 4;
        let fitting: Vec<Callee> = self
            .callees
            .iter()
            .filter(|callee| callee.role == Role::Callback && callee.weight <= limit)
            .copied()
            .collect();
        if fitting.is_empty() {
            return self.alu();
        }
        let callee = self.rng.pick(&fitting);
        let each = self.rng.percent(25);
        if each {
            let map = self.env.maps.array_in(1);
            self.emit(&map);
        } else {
            // A callback that is never called is removed, and the JIT then misses it (Documentation/stock-defects.md, 8).
            let times = self.rng.range(1, 9);
            self.emit(&[mov(1, times)]);
        }
        let [first, second] = ld_func(2, 0);
        self.code.emit_ref(first, callee.number);
        let helper = if each {
            libbpf_sys::BPF_FUNC_for_each_map_elem
        } else {
            libbpf_sys::BPF_FUNC_loop
        };
        self.emit(&[second, mov(3, 0), mov(4, 0), call(helper)]);
        self.weight += self.times * callee.weight * 4;
        self.state.call(Value::Number);
    }

    /// What follows may stand somewhere else.
    fn segment(&mut self) {
        let next = self.code.label();
        if self.rng.percent(40) && self.branches < UNPRIVILEGED_BRANCHES {
            // Conditional jumps that lead back, too.
            self.confuse_or_not(next);
        }
        self.jump(next);
        self.code.new_segment();
        self.code.place(next);
        if self.env.profile.unprivileged {
            // Does not grow; see the known differences.
            let reg = self.writable();
            self.mov_imm(reg);
        }
    }
}

/// Does the verifier find that the comparison holds?
fn holds(width: Width, cond: Cond, value: i32, imm: i32) -> bool {
    let (a, b) = (i64::from(value), i64::from(imm));
    let (ua, ub) = match width {
        Width::W32 => (u64::from(value as u32), u64::from(imm as u32)),
        Width::W64 => (a as u64, b as u64),
    };
    match cond {
        Cond::Always => true,
        Cond::Eq => ua == ub,
        Cond::Ne => ua != ub,
        Cond::Gt => ua > ub,
        Cond::Ge => ua >= ub,
        Cond::Lt => ua < ub,
        Cond::Le => ua <= ub,
        Cond::Set => ua & ub != 0,
        Cond::Sgt => a > b,
        Cond::Sge => a >= b,
        Cond::Slt => a < b,
        Cond::Sle => a <= b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        assert!(holds(Width::W64, Cond::Gt, -1, 5));
        assert!(!holds(Width::W64, Cond::Sgt, -1, 5));
        assert!(holds(Width::W32, Cond::Set, 6, 2));
        assert!(holds(Width::W32, Cond::Le, 2, 2));
    }
}
