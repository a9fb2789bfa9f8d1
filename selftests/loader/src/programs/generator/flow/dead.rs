// SPDX-License-Identifier: GPL-2.0

//! Code that never runs, and code that does nothing.

use crate::bpf::insn::{branch, ja, may_goto, mov, Cond, Width};
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    /// Code that never runs, as only verification finds out.
    pub(super) fn dead_code(&mut self) {
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
    pub(super) fn nops(&mut self) {
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
