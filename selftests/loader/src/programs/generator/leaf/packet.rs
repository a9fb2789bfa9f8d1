// SPDX-License-Identifier: GPL-2.0

//! Accesses to the packet.

use crate::bpf::insn::Size::{B, DW, H, W};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, jmp_reg, ld_abs, ld_ind, ldx, mov_reg, st, stx, Cond, Op};
use crate::programs::generator::body::{Body, Role};
use crate::programs::generator::kinds::Packet;
use crate::programs::generator::state::Value;

impl Body<'_> {
    /// Direct access to the packet; a write has a prologue put in front of the program.
    pub(super) fn packet(&mut self, packet: Packet) {
        let Some(ctx) = self.ctx else {
            return self.alu();
        };
        let data = self.writable();
        let end = self.writable_but(1 << data);
        let probe = self.writable_but(1 << data | 1 << end);
        for reg in [data, end, probe] {
            self.set(reg, Value::None);
        }
        let len = self.rng.pick(&[14, 34, 64]);
        let over = self.code.label();
        self.emit(&[
            ldx(packet.size, data, ctx, packet.data),
            ldx(packet.size, end, ctx, packet.end),
            mov_reg(probe, data),
            alu_imm(W64, Op::Add, probe, len),
        ]);
        self.emit_to(jmp_reg(Cond::Gt, probe, end, 0), over);
        let before = self.state;
        self.with_locked(&[data], |body| {
            for _ in 0..body.rng.range(1, 3) {
                // Packets start 2 bytes behind what is aligned.
                let (size, first) = body.rng.pick(&[(B, 0), (H, 0), (W, 2), (DW, 6)]);
                let places = (len as i16 - first) / size.bytes();
                let off = first + body.rng.below(places as usize) as i16 * size.bytes();
                match body.rng.below(3) {
                    0 if packet.write => {
                        let src = body.number();
                        body.emit(&[stx(size, data, off, src)]);
                    }
                    1 if packet.write => {
                        let imm = body.rng.imm();
                        body.emit(&[st(size, data, off, imm)]);
                    }
                    _ => {
                        let dst = body.writable();
                        body.emit(&[ldx(size, dst, data, off)]);
                        body.set(dst, Value::Unknown);
                    }
                }
            }
        });
        self.state.meet(&before);
        self.code.place(over);
    }

    pub(super) fn ld_abs(&mut self) {
        let in_subprogram = self.role != Role::Main;
        let allowed = !in_subprogram || self.env.profile.btf && self.role == Role::Context;
        if self.ctx != Some(6) || !self.env.kind.ld_abs || !allowed {
            return self.load();
        }
        let size = self.rng.pick(&[B, H, W]);
        let at = self.rng.range(0, 64);
        if self.rng.percent(50) {
            self.emit(&[ld_abs(size, at)]);
        } else {
            let src = self.number();
            self.emit(&[ld_ind(size, src, at)]);
        }
        self.state.call(Value::Unknown);
    }
}
