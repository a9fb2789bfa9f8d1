// SPDX-License-Identifier: GPL-2.0

//! Calls of functions of the program, and of helpers that call them back.

use super::PATIENCE;
use crate::bpf::insn::{call, call_rel, ld_func, mov, mov_reg};
use crate::programs::generator::body::{Body, Callee, Role};
use crate::programs::generator::state::Value;

impl Body<'_> {
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
    pub(super) fn callback(&mut self) {
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
}
