// SPDX-License-Identifier: GPL-2.0

//! Statements that nothing else goes into, and what they need of each type of program.

use libbpf_sys::{
    BPF_FUNC_get_numa_node_id, BPF_FUNC_get_prandom_u32, BPF_FUNC_get_smp_processor_id,
    BPF_FUNC_jiffies64, BPF_FUNC_ktime_get_ns, BPF_FUNC_map_delete_elem, BPF_FUNC_map_lookup_elem,
    BPF_FUNC_map_update_elem, BPF_FUNC_tail_call,
};

use crate::insn::Size::{self, B, DW, H, W};
use crate::insn::Width::{W32, W64};
use crate::insn::{
    alu_imm, alu_reg, atomic, branch, branch_reg, call, ja, jmp, jmp_reg, ld_abs, ld_imm64, ld_ind,
    ldsx, ldx, mov, mov_reg, movsx, signed, st, stx, swap, Cond, Insn, Op, Swap, CMPXCHG, FETCH,
    LOAD_ACQ, STORE_REL, XCHG,
};
use crate::random::asm::Label;
use crate::random::body::{Body, Role, FP};
use crate::random::kinds::Packet;
use crate::random::maps::VALUE;
use crate::random::profile::Statement;
use crate::random::state::{Value, SLOTS};

/// Where keys of maps are in the frame.
const KEY: i16 = -72;

/// Memory that a statement may use: `len` bytes at `reg` + `off`, `off` being a multiple of 8.
#[derive(Clone, Copy)]
struct Memory {
    reg: u8,
    off: i16,
    len: i16,
}

impl Body<'_> {
    pub fn leaf(&mut self, statement: Statement) {
        match statement {
            Statement::Divide => self.divide(),
            Statement::Load => self.load(),
            Statement::Store => self.store(),
            Statement::Stack => self.stack(),
            Statement::Spill => self.spill(),
            Statement::Lookup => self.lookup(),
            Statement::MapValue => self.map_value(),
            Statement::Packet => match self.env.kind.packet {
                Some(packet) => self.packet(packet),
                None => self.alu(),
            },
            Statement::LdAbs => self.ld_abs(),
            Statement::Helper => self.helper(),
            Statement::TailCall => self.tail_call(),
            Statement::Confuse => self.confuse(),
            _ => self.alu(),
        }
    }

    pub fn alu(&mut self) {
        let width = self.width();
        match self.rng.below(12) {
            0 => {
                let dst = self.writable();
                self.mov_imm(dst);
            }
            1 => {
                let src = self.number();
                let dst = self.writable();
                self.emit(&[alu_reg(width, Op::Mov, dst, src)]);
                self.set(dst, self.state.regs[src as usize]);
            }
            2 => {
                let src = self.number();
                let dst = self.writable();
                let bits = match width {
                    W32 => self.rng.pick(&[8, 16]),
                    W64 => self.rng.pick(&[8, 16, 32]),
                };
                self.emit(&[movsx(width, dst, src, bits)]);
                self.set(dst, Value::Number);
            }
            3 => {
                let dst = self.writable();
                let value = self.rng.next() >> self.rng.below(64);
                self.emit(&ld_imm64(dst, value));
                self.set(dst, Value::Number);
            }
            4 => {
                let dst = self.writable_number();
                let kind = self.rng.pick(&[Swap::ToLittle, Swap::ToBig, Swap::Always]);
                let bits = self.rng.pick(&[16, 32, 64]);
                self.emit(&[swap(kind, dst, bits)]);
            }
            5 => {
                let dst = self.writable_number();
                self.emit(&[alu_imm(width, Op::Neg, dst, 0)]);
            }
            6 => {
                let dst = self.writable_number();
                let op = self.rng.pick(&[Op::Lsh, Op::Rsh, Op::Arsh]);
                let most = if width == W32 { 31 } else { 63 };
                let by = self.rng.range(0, most);
                self.emit(&[alu_imm(width, op, dst, by)]);
            }
            7..=9 => {
                let dst = self.writable_number();
                let op = self.arithmetic();
                let imm = self.rng.imm();
                self.emit(&[alu_imm(width, op, dst, imm)]);
            }
            _ => {
                let dst = self.writable_number();
                let src = self.number();
                let op = match self.rng.below(4) {
                    0 => self.rng.pick(&[Op::Lsh, Op::Rsh, Op::Arsh]),
                    _ => self.arithmetic(),
                };
                self.emit(&[alu_reg(width, op, dst, src)]);
                self.set(dst, Value::Number);
            }
        }
    }

    fn arithmetic(&mut self) -> Op {
        self.rng
            .pick(&[Op::Add, Op::Sub, Op::Mul, Op::Or, Op::And, Op::Xor])
    }

    fn divide(&mut self) {
        let width = self.width();
        let op = self.rng.pick(&[Op::Div, Op::Mod]);
        let dst = self.writable_number();
        let plain = if self.rng.percent(70) {
            let src = self.number();
            alu_reg(width, op, dst, src)
        } else {
            let by = self.rng.pick(&[-1, -1, 1, 2, 3, 7, 8, i32::MIN]);
            alu_imm(width, op, dst, by)
        };
        let insn = if self.rng.percent(50) {
            signed(plain)
        } else {
            plain
        };
        self.emit(&[insn]);
        self.set(dst, Value::Number);
    }

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

    fn load(&mut self) {
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

    fn store(&mut self) {
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

    fn slot_off(slot: usize) -> i16 {
        -8 * (slot as i16 + 1)
    }

    pub fn store_slot(&mut self, slot: usize) {
        let off = Self::slot_off(slot);
        let imm = self.rng.imm();
        self.emit(&[st(DW, FP, off, imm)]);
        self.state.stack[slot] = Value::Number;
    }

    fn stack(&mut self) {
        let slot = self.rng.below(SLOTS);
        let off = Self::slot_off(slot);
        if !self.state.stack[slot].is_number() || self.rng.percent(20) {
            if self.rng.percent(40) {
                self.store_slot(slot);
            } else {
                let src = self.number();
                self.emit(&[stx(DW, FP, off, src)]);
                self.state.stack[slot] = Value::Number;
            }
            return;
        }
        self.access(Memory {
            reg: FP,
            off,
            len: 8,
        });
    }

    /// A load, a store or an atomic operation.
    fn access(&mut self, memory: Memory) {
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

    /// The context goes to the stack and comes back.
    fn spill(&mut self) {
        let (Some(ctx), false) = (self.ctx, self.env.fields.loads.is_empty()) else {
            return self.stack();
        };
        let slot = self.rng.below(SLOTS);
        let off = Self::slot_off(slot);
        if self.state.stack[slot] != Value::Context {
            self.emit(&[stx(DW, FP, off, ctx)]);
            self.state.stack[slot] = Value::Context;
            return;
        }
        let reg = self.writable();
        let (size, at) = self.rng.pick(&self.env.fields.loads);
        self.emit(&[ldx(DW, reg, FP, off), ldx(size, reg, reg, at)]);
        self.set(reg, Value::Unknown);
    }

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

    fn lookup(&mut self) {
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
    fn map_value(&mut self) {
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

    /// Direct access to the packet; a write has a prologue put in front of the program.
    fn packet(&mut self, packet: Packet) {
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

    fn ld_abs(&mut self) {
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

    fn helper(&mut self) {
        let mut helpers = vec![
            BPF_FUNC_ktime_get_ns,
            BPF_FUNC_get_prandom_u32,
            BPF_FUNC_get_smp_processor_id,
            BPF_FUNC_get_numa_node_id,
        ];
        if !self.env.profile.unprivileged {
            helpers.push(BPF_FUNC_jiffies64);
        }
        let helper = self.rng.pick(&helpers);
        self.emit(&[call(helper)]);
        self.state.call(Value::Unknown);
    }

    fn tail_call(&mut self) {
        let Some(ctx) = self.ctx else {
            return self.alu();
        };
        if self.rng.percent(50) {
            let index = self.rng.range(0, 5);
            self.emit(&[mov(3, index)]);
        } else {
            let index = self.number();
            self.emit(&[alu_reg(W32, Op::Mov, 3, index)]);
        }
        self.emit(&[mov_reg(1, ctx)]);
        let map = self.env.maps.progs_in(2, self.env.kind_index);
        self.emit(&map);
        self.emit(&[call(BPF_FUNC_tail_call)]);
        self.state.call(Value::None);
    }

    /// A register that has a number, but a pointer should the processor take a branch that it should
    /// not: what then uses it gets a speculation barrier in front.
    ///
    /// With `pointer` it is the other way round: the context, and a number if mispredicted.
    fn confused(&mut self, pointer: bool) -> Option<u8> {
        let ctx = self.ctx?;
        let fields = &self.env.fields.loads;
        if fields.is_empty() {
            return None;
        }
        let (size, off) = self.rng.pick(fields);
        let odd = self.writable();
        let confused = self.writable_but(1 << odd);
        let (never, end) = (self.code.label(), self.code.label());
        self.emit(&[
            ldx(size, odd, ctx, off),
            if pointer {
                mov_reg(confused, ctx)
            } else {
                mov(confused, 3)
            },
            alu_imm(W64, Op::And, odd, 1),
        ]);
        self.emit_to(branch(W64, Cond::Gt, odd, 5), never);
        self.emit_to(ja(0), end);
        self.code.place(never);
        self.emit(&[if pointer {
            mov(confused, 0)
        } else {
            mov_reg(confused, ctx)
        }]);
        self.code.place(end);
        self.set(odd, Value::Number);
        self.set(confused, if pointer { Value::None } else { Value::Number });
        Some(confused)
    }

    fn confuse(&mut self) {
        let pointer = self.rng.percent(40);
        let Some(reg) = self.confused(pointer) else {
            return self.alu();
        };
        if pointer {
            self.confused_access(reg);
            return;
        }
        let width = self.width();
        match self.rng.below(4) {
            0 => self.emit(&[alu_imm(width, Op::Mul, reg, 3)]),
            1 => {
                let by = self.number();
                let op = self.rng.pick(&[Op::Div, Op::Mod]);
                self.emit(&[alu_reg(width, op, reg, by)]);
            }
            2 => {
                let over = self.code.label();
                self.confused_jump(reg, over);
                let before = self.state;
                self.alu();
                self.state.meet(&before);
                self.code.place(over);
            }
            _ => match self.exit_before() {
                // The jump leads back.
                Some(exit) => self.confused_jump(reg, exit),
                None => self.emit(&[alu_imm(width, Op::Xor, reg, 3)]),
            },
        }
    }

    /// Accesses the context, which is converted, and has a barrier in front.
    fn confused_access(&mut self, reg: u8) {
        let fields = self.env.fields;
        if !fields.stores.is_empty() && self.rng.percent(40) {
            let (size, off) = self.rng.pick(&fields.stores);
            let mut src = 0;
            self.with_locked(&[reg], |body| src = body.number());
            self.emit(&[stx(size, reg, off, src)]);
        } else {
            let (size, off) = self.rng.pick(&fields.loads);
            let mut dst = 0;
            self.with_locked(&[reg], |body| dst = body.writable());
            self.emit(&[ldx(size, dst, reg, off)]);
            self.set(dst, Value::Unknown);
        }
        self.set(reg, Value::None);
    }

    fn confused_jump(&mut self, reg: u8, to: Label) {
        let width = self.width();
        let cond = self.rng.pick(&[Cond::Gt, Cond::Ge, Cond::Eq, Cond::Slt]);
        let insn: Insn = if self.rng.percent(50) {
            // Neither outcome is certain, as the other register is unknown.
            let mut other = reg;
            self.with_locked(&[reg], |body| other = body.fresh());
            branch_reg(width, cond, other, reg)
        } else {
            branch(width, cond, reg, 2)
        };
        self.emit_to(insn, to);
    }

    /// A jump that is taken or not; an ordinary user's may get a barrier.
    pub fn confuse_or_not(&mut self, to: Label) {
        if self.env.profile.unprivileged && self.rng.percent(70) {
            if let Some(reg) = self.confused(false) {
                self.confused_jump(reg, to);
                return;
            }
        }
        self.jump_maybe(to);
    }
}
