// SPDX-License-Identifier: GPL-2.0

//! Accesses to the context.

use crate::bpf::insn::{ldsx, ldx, mov_reg, st, stx};
use crate::programs::generator::body::Body;
use crate::programs::generator::state::Value;

impl Body<'_> {
    /// The register that has the context, or another that gets it for one access.
    fn context(&mut self) -> Option<u8> {
        let ctx = self.ctx?;
        if self.rng.percent(80) {
            return Some(ctx);
        }
        let copy = self.writable();
        self.emit(&[mov_reg(copy, ctx)]);
        self.set(copy, Value::None);
        Some(copy)
    }

    pub(super) fn load(&mut self) {
        let fields = self.env.fields;
        let sign = !fields.signed.is_empty() && self.rng.percent(15);
        let places = if sign { &fields.signed } else { &fields.loads };
        if places.is_empty() {
            return self.alu();
        }
        let Some(ctx) = self.context() else {
            return self.alu();
        };
        let (size, off) = self.rng.pick(places);
        // May be the register that has the address.
        let dst = match self.ctx {
            Some(ours) if ours != ctx && self.rng.percent(40) => ctx,
            _ => self.writable(),
        };
        let insn = if sign {
            ldsx(size, dst, ctx, off)
        } else {
            ldx(size, dst, ctx, off)
        };
        self.emit(&[insn]);
        self.set(dst, Value::Unknown);
    }

    pub(super) fn store(&mut self) {
        let fields = self.env.fields;
        if fields.stores.is_empty() || self.ctx.is_none() {
            return self.load();
        }
        let src = self.number();
        let mut ctx = None;
        self.with_locked(&[src], |body| ctx = body.context());
        let Some(ctx) = ctx else { return };
        if !fields.constants.is_empty() && self.rng.percent(30) {
            let (size, off) = self.rng.pick(&fields.constants);
            let imm = self.rng.range(0, 1_000);
            self.emit(&[st(size, ctx, off, imm)]);
        } else {
            let (size, off) = self.rng.pick(&fields.stores);
            self.emit(&[stx(size, ctx, off, src)]);
        }
    }
}
