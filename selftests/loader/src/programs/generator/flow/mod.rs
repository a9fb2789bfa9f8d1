// SPDX-License-Identifier: GPL-2.0

//! Writes statements that others go into, or that paths fork or meet at: branches, loops, dead code,
//! calls.

mod calls;
mod dead;
mod loops;

use crate::programs::generator::asm::Label;
use crate::programs::generator::body::Body;
use crate::programs::generator::profile::Statement;
use crate::programs::generator::state::State;

/// Instructions that the verifier may have to look at for one function, calls and loops included.
const PATIENCE: u32 = 2_500;
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
