// SPDX-License-Identifier: GPL-2.0

//! Writes one function: its start and its end. Registers and jumps are in
//! [`crate::programs::generator::regs`], the statements in [`crate::programs::generator::flow`] and
//! [`crate::programs::generator::leaf`].
//!
//! So that verification ends soon, branches compare numbers that the verifier knows nothing about and
//! that nothing else depends on; where paths meet, what they do not agree on is not used any more.

use crate::bpf::insn::{exit, mov, mov_reg, Insn};
use crate::programs::generator::asm::{Code, Label};
use crate::programs::generator::fields::Fields;
use crate::programs::generator::kinds::Kind;
use crate::programs::generator::maps::Maps;
use crate::programs::generator::profile::Profile;
use crate::programs::generator::rng::Rng;
use crate::programs::generator::state::{State, Value};

/// Frame pointer.
pub const FP: u8 = 10;

/// What a function gets in r1, and how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program.
    Main,
    /// Gets the context.
    Context,
    /// Gets a number.
    Number,
    /// Gets a number; is verified by itself.
    Global,
    /// Of `bpf_loop` and `bpf_for_each_map_elem`.
    Callback,
}

/// A function that may be called.
#[derive(Clone, Copy)]
pub struct Callee {
    pub number: usize,
    pub role: Role,
    /// Instructions that verifying a call takes.
    pub weight: u32,
    /// To be called from code that never runs only.
    pub dead: bool,
}

/// What all functions of a program share.
pub struct Env<'a> {
    pub kind: &'a Kind,
    /// Which of all types that is.
    pub kind_index: usize,
    pub fields: &'a Fields,
    pub maps: &'a Maps,
    pub profile: &'a Profile,
}

pub struct Body<'a> {
    pub rng: &'a mut Rng,
    pub env: &'a Env<'a>,
    pub role: Role,
    pub code: Code,
    pub state: State,
    /// Registers that may have been written since the loop began, a bit each.
    pub written: u16,
    /// Registers not to be written, a bit each.
    pub locked: u16,
    /// Register that holds the context.
    pub ctx: Option<u8>,
    /// In code that never runs.
    pub dead: bool,
    pub callees: &'a [Callee],
    /// Times the verifier goes through what is written now.
    pub times: u32,
    /// Instructions that the verifier may have to look at, calls and loops included.
    pub weight: u32,
    pub in_loop: bool,
    pub loops: u32,
    /// Blocks around this one.
    pub depth: u32,
    pub branches: u32,
    /// Blocks that end the function, and where they are.
    pub exits: Vec<(Label, usize)>,
    /// The end of the function, once something jumps there.
    pub out: Option<Label>,
}

/// Writes a function of about `len` instructions; returns it with its weight.
pub fn function(
    rng: &mut Rng,
    env: &Env<'_>,
    role: Role,
    callees: &[Callee],
    len: usize,
) -> (Code, u32) {
    let argument = match role {
        Role::Main | Role::Context => Value::Context,
        Role::Global => Value::Unknown,
        Role::Number => Value::Number,
        // For r1 is a map for some of them.
        Role::Callback => Value::None,
    };
    let mut body = Body {
        rng,
        env,
        role,
        code: Code::new(),
        state: State::entry(argument),
        written: 0,
        locked: 0,
        ctx: None,
        dead: false,
        callees,
        times: 1,
        weight: 0,
        in_loop: false,
        loops: 0,
        depth: 0,
        branches: 0,
        exits: Vec::new(),
        out: None,
    };
    body.enter(len);
    let end = len.saturating_sub(2);
    // Functions that nobody calls are left out, so do not leave that to chance alone.
    if role == Role::Main && !callees.is_empty() && body.rng.percent(60) {
        body.call_subprogram(false);
    }
    body.block(end.saturating_sub(body.code.len()));
    body.leave();
    let weight = if role == Role::Global { 1 } else { body.weight };
    (body.code, weight)
}

impl Body<'_> {
    /// Start of a function: what it got goes to registers that survive calls.
    fn enter(&mut self, len: usize) {
        // A call as the first instruction, which a slot for may_goto then goes in front of.
        if self.role == Role::Context && self.rng.percent(15) {
            self.call_subprogram(true);
        }
        if self.state.regs[1] == Value::Context {
            let ctx = if self.env.kind.ld_abs || self.rng.percent(40) {
                6
            } else {
                self.rng.range(7, 9) as u8
            };
            self.ctx = Some(ctx);
            self.emit(&[mov_reg(ctx, 1)]);
            self.state.regs[ctx as usize] = Value::Context;
            self.locked |= 1 << ctx;
        }
        if len < 12 {
            return;
        }
        for reg in 6..=9 {
            if self.is_locked(reg) || self.rng.percent(40) {
                continue;
            }
            match self.state.regs[1] {
                value if value.is_number() && self.rng.percent(50) => {
                    self.emit(&[mov_reg(reg, 1)]);
                    self.set(reg, value);
                }
                _ => self.mov_imm(reg),
            }
        }
    }

    /// End of a function.
    fn leave(&mut self) {
        let free = self.results().is_empty() && self.out.is_none();
        if let Some(out) = self.out {
            self.code.place(out);
        }
        if free && self.state.regs[0].is_number() && self.rng.percent(50) {
            self.emit(&[exit()]);
        } else {
            self.exit();
        }
    }

    /// What the function may return; empty: any number.
    fn results(&self) -> &'static [i32] {
        match self.role {
            Role::Main => self.env.kind.results,
            Role::Callback => &[0, 1],
            Role::Context | Role::Number | Role::Global => &[],
        }
    }

    pub fn exit(&mut self) {
        let results = self.results();
        let result = if results.is_empty() {
            self.rng.imm()
        } else {
            self.rng.pick(results)
        };
        self.emit(&[mov(0, result), exit()]);
    }

    pub fn emit(&mut self, insns: &[Insn]) {
        for insn in insns {
            self.written |= 1 << insn.dst() | 1 << insn.src();
        }
        self.code.emit(insns);
        self.weight += self.times * insns.len() as u32;
    }

    pub fn emit_to(&mut self, insn: Insn, label: Label) {
        self.code.emit_to(insn, label);
        self.weight += self.times;
    }
}
