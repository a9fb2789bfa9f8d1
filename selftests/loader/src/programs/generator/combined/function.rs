// SPDX-License-Identifier: GPL-2.0

//! Writes a function: statements one behind the other, and what their jumps lead to somewhere else.

use std::collections::VecDeque;

use libbpf_sys::{
    BPF_FUNC_get_prandom_u32, BPF_FUNC_jiffies64, BPF_FUNC_loop, BPF_FUNC_map_lookup_elem,
    BPF_FUNC_tail_call,
};

use super::{Ingredients, Profile, FIRST_TABLE, PROGRAMS, TAILS, VALUES, WORDS};
use crate::bpf::insn::Size::{B, DW, H, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, branch_reg, call, call_rel, exit, gotol, gotox, ja, jmp_reg, ld_func,
    ld_map_fd, ld_map_value, ldx, may_goto, mov, mov_reg, signed, st, stx, Cond, Insn, Op, Size,
};
use crate::bpf::skb::{DATA, DATA_END, IFINDEX, MARK};
use crate::bpf::VALUE;
use crate::programs::generator::asm::{Code, Label};
use crate::programs::generator::rng::Rng;

/// Registers with a purpose. 1 to 5 belong to statements, and so does 0.
pub const CONTEXT: u8 = 6;
pub const HASH: u8 = 7;
const COUNT: u8 = 8;
/// Where a register is, in a slot of the stack, while a loop runs, and another slot.
const SUM: i16 = -8;
const SLOT: i16 = -16;
/// Numbers that the verifier knows no more of are up to this.
const MOST: i32 = 7;
/// Do indirect jumps lead to the first insn of functions, too? Stock runs what it puts in front of these insns once
/// more.
const AIMS_AT_FIRST: bool = false;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Main,
    /// Gets the context and the hash, and returns the hash.
    Function,
    /// The same, but never called.
    Dead,
    /// Of bpf_loop; its context has the hash.
    Callback,
}

/// A function, and in which order its segments stand.
pub struct Written {
    pub code: Code,
    pub order: Vec<usize>,
    /// Is what makes it long run?
    pub live: bool,
    /// Where it goes on then.
    pub behind_padding: Label,
}

/// What a jump leads to, somewhere else.
struct Block {
    label: Label,
    /// Where it goes on behind it.
    back: Label,
    live: bool,
    /// Blocks that this one is of.
    depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statement {
    Mix,
    Load,
    Store,
    Packet,
    Value,
    Lookup,
    Stack,
    Never,
    Always,
    Barrier,
    Branch,
    MayGoto,
    Counted,
    Nops,
    Gotox,
    TailCall,
    /// Of these functions.
    Call(usize),
    Loop(usize),
}

/// Statements that need no more than the hash.
const SIMPLE: [Statement; 12] = [
    Statement::Mix,
    Statement::Value,
    Statement::Lookup,
    Statement::Stack,
    Statement::Never,
    Statement::Never,
    Statement::Always,
    Statement::Barrier,
    Statement::Barrier,
    Statement::Branch,
    Statement::MayGoto,
    Statement::Nops,
];
/// Those of them that jump to somewhere else.
const JUMPS: [Statement; 5] = [
    Statement::Never,
    Statement::Always,
    Statement::Barrier,
    Statement::Branch,
    Statement::MayGoto,
];
/// And those that need the context.
const WITH_CONTEXT: [Statement; 3] = [Statement::Load, Statement::Store, Statement::Packet];

pub struct Body<'a> {
    code: Code,
    rng: &'a mut Rng,
    profile: &'a Profile,
    role: Role,
    ingredients: &'a mut Ingredients,
    /// Insn arrays so far.
    tables: &'a mut i32,
    callbacks: Vec<usize>,
    dead_function: Option<usize>,
    blocks: VecDeque<Block>,
    /// Segments behind what makes the function long.
    behind: Vec<bool>,
    depth: usize,
    in_loop: bool,
    live: bool,
    /// The dead function is referred to.
    calls_dead: bool,
}

impl<'a> Body<'a> {
    pub fn new(
        rng: &'a mut Rng,
        profile: &'a Profile,
        role: Role,
        ingredients: &'a mut Ingredients,
        tables: &'a mut i32,
    ) -> Self {
        Self {
            code: Code::new(),
            rng,
            profile,
            role,
            ingredients,
            tables,
            callbacks: Vec::new(),
            dead_function: None,
            blocks: VecDeque::new(),
            behind: vec![false],
            depth: 0,
            in_loop: false,
            live: role != Role::Dead,
            calls_dead: false,
        }
    }

    pub fn write(mut self, roles: &[Role], long: bool) -> Written {
        let of = |role| (0..roles.len()).filter(move |&at| roles[at] == role);
        self.callbacks = of(Role::Callback).collect();
        self.dead_function = of(Role::Dead).next();
        let padding = self.code.label();
        let behind_padding = self.code.label();
        let live = long && self.rng.percent(30);
        self.begin();
        let mut statements = self.draw(&of(Role::Function).collect::<Vec<_>>());
        if long {
            // Jumps over what makes it long.
            statements.extend((0..4).map(|_| self.rng.pick(&JUMPS)));
            if let (true, Some(&callback)) = (self.has_context(), self.callbacks.first()) {
                statements.push(Statement::Loop(callback));
            }
            self.rng.shuffle(&mut statements);
        }
        let at = self.rng.below(statements.len() + 1);
        let rest = statements.split_off(at);
        self.statements(&statements);
        if long && live {
            self.code.emit_to(gotol(0), padding);
            self.arrive(behind_padding);
        } else {
            if long {
                self.ranged();
                let never = self.never();
                self.code.emit_to(never, padding);
            }
            self.land(behind_padding);
        }
        self.statements(&rest);
        self.end();
        while let Some(block) = self.blocks.pop_front() {
            self.block(&block);
        }
        let (mut front, mut back): (Vec<_>, Vec<_>) =
            (1..self.behind.len()).partition(|&at| !long || !self.behind[at]);
        self.rng.shuffle(&mut front);
        self.rng.shuffle(&mut back);
        let mut order = vec![0];
        order.extend(front);
        if long {
            self.code.new_segment();
            self.code.place(padding);
            order.push(self.behind.len());
        } else {
            // No jump leads there.
            self.code.place(padding);
        }
        order.extend(back);
        Written {
            code: self.code,
            order,
            live,
            behind_padding,
        }
    }

    fn has_context(&self) -> bool {
        self.role != Role::Callback
    }

    fn emit(&mut self, insns: &[Insn]) {
        self.code.emit(insns);
    }

    fn note(&mut self, name: &'static str) {
        if self.live {
            self.ingredients.add(name);
        }
    }

    /// What comes stands somewhere else.
    fn segment(&mut self) {
        self.code.new_segment();
        self.behind.push(self.rng.percent(50));
    }

    /// What every way through the program shows in its result.
    fn mix(&mut self) {
        let factor = self.rng.range(1, 1 << 20) * 2 + 1;
        let term = self.rng.next() as i32 | 1;
        self.emit(&[
            alu_imm(W64, Op::Mul, HASH, factor),
            alu_imm(W64, Op::Add, HASH, term),
        ]);
    }

    /// Makes the hash one of a register, too.
    fn add(&mut self, reg: u8) {
        let op = self.rng.pick(&[Op::Add, Op::Xor, Op::Sub]);
        self.emit(&[alu_reg(W64, op, HASH, reg)]);
        self.mix();
    }

    /// Ways meet behind it. The verifier keeps a state there only if it has seen two jumps and eight insns
    /// since the last one.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.mix();
        }
        self.emit(&[ja(0), ja(0)]);
    }

    /// Ways meet here.
    fn land(&mut self, label: Label) {
        self.settle();
        self.code.place(label);
        self.mix();
    }

    /// Goes on here from somewhere else: nothing comes from above.
    fn arrive(&mut self, label: Label) {
        self.segment();
        self.code.place(label);
        self.mix();
    }

    fn begin(&mut self) {
        if AIMS_AT_FIRST && self.role == Role::Function {
            self.aim_at_first();
        }
        match self.role {
            Role::Main => {
                let first = self.rng.next() as i32;
                self.emit(&[
                    mov_reg(CONTEXT, 1),
                    mov(HASH, first),
                    ldx(W, 1, CONTEXT, MARK),
                ]);
                self.add(1);
            }
            Role::Function | Role::Dead => {
                self.emit(&[mov_reg(CONTEXT, 1), mov_reg(HASH, 2)]);
                self.mix();
            }
            Role::Callback => {
                self.emit(&[mov_reg(CONTEXT, 2), ldx(DW, HASH, CONTEXT, 0)]);
                self.add(1);
            }
        }
    }

    /// A loop by an indirect jump to the first insn of the function, whose third argument counts down.
    fn aim_at_first(&mut self) {
        let (first, on) = (self.code.label(), self.code.label());
        self.code.place(first);
        self.emit(&[alu_imm(W64, Op::Mul, 2, 77), alu_imm(W64, Op::Sub, 3, 1)]);
        self.code.emit_to(branch(W64, Cond::Eq, 3, 0), on);
        self.emit(&[mov_reg(5, 2)]);
        self.indirect(5, vec![first, on]);
        self.segment();
        self.code.place(on);
    }

    fn end(&mut self) {
        match self.role {
            Role::Main => self.emit(&[
                mov_reg(0, HASH),
                alu_imm(W64, Op::Rsh, 0, 32),
                alu_reg(W64, Op::Xor, 0, HASH),
                exit(),
            ]),
            Role::Function | Role::Dead => self.emit(&[mov_reg(0, HASH), exit()]),
            Role::Callback => {
                // Some end their loop early.
                let mask = self.rng.pick(&[0, 0, 1]);
                self.emit(&[
                    stx(DW, CONTEXT, 0, HASH),
                    mov_reg(0, HASH),
                    alu_imm(W64, Op::Rsh, 0, 40),
                    alu_imm(W64, Op::And, 0, mask),
                    exit(),
                ]);
            }
        }
    }

    /// What the function consists of; all functions are referred to.
    fn draw(&mut self, functions: &[usize]) -> Vec<Statement> {
        let mut statements = Vec::new();
        let count = match self.role {
            Role::Main => self.rng.range(4, 10),
            _ => self.rng.range(1, 5),
        };
        for _ in 0..count {
            let statement = if self.has_context() && self.rng.percent(30) {
                self.rng.pick(&WITH_CONTEXT)
            } else {
                self.rng.pick(&SIMPLE)
            };
            statements.push(statement);
        }
        if self.has_context() {
            let mut maybe = |chance, statement| {
                if self.rng.percent(chance) {
                    statements.push(statement);
                }
            };
            maybe(30, Statement::Counted);
            maybe(35, Statement::Gotox);
            let calls_tail = self.profile.has_tail_calls;
            maybe(if calls_tail { 60 } else { 0 }, Statement::TailCall);
            let forced = self.role == Role::Main;
            for at in 0..self.callbacks.len() {
                if forced || self.rng.percent(20) {
                    statements.push(Statement::Loop(self.callbacks[at]));
                }
            }
        }
        if self.role == Role::Main {
            for &function in functions {
                statements.extend(vec![Statement::Call(function); 1 + self.rng.below(2)]);
            }
            if self.profile.writes_packet {
                statements.push(Statement::Packet);
            }
            if self.profile.dead_function {
                statements.push(Statement::Never);
            }
        }
        self.rng.shuffle(&mut statements);
        statements
    }

    fn statements(&mut self, statements: &[Statement]) {
        for &statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: Statement) {
        match statement {
            Statement::Mix => self.arithmetic(),
            Statement::Load => self.load(),
            Statement::Store => self.store(),
            Statement::Packet => self.packet(),
            Statement::Value => self.value(),
            Statement::Lookup => self.lookup(),
            Statement::Stack => self.stack(),
            Statement::Never => self.never_taken(),
            Statement::Always => self.always_taken(),
            Statement::Barrier => self.barrier(),
            Statement::Branch => self.branch(),
            Statement::MayGoto => self.may_goto(),
            Statement::Counted => self.counted(),
            Statement::Nops => self.nops(),
            Statement::Gotox => self.gotox(),
            Statement::TailCall => self.tail_call(),
            Statement::Call(function) => self.call(function),
            Statement::Loop(callback) => self.bpf_loop(callback),
        }
    }

    /// A few statements that need nothing, of blocks and loops.
    fn few(&mut self) {
        for _ in 0..self.rng.below(3) {
            let statement = if self.has_context() && self.rng.percent(30) {
                self.rng.pick(&WITH_CONTEXT)
            } else {
                self.rng.pick(&SIMPLE)
            };
            self.statement(statement);
        }
        self.mix();
    }

    /// Something that a jump leads to and that comes back, or is never reached.
    fn aside(&mut self, live: bool) -> (Label, Label) {
        let (label, back) = (self.code.label(), self.code.label());
        self.blocks.push_back(Block {
            label,
            back,
            live: live && self.live,
            depth: self.depth + 1,
        });
        (label, back)
    }

    fn block(&mut self, block: &Block) {
        self.depth = block.depth;
        let was = std::mem::replace(&mut self.live, block.live);
        self.segment();
        self.code.place(block.label);
        self.mix();
        if self.depth < 2 {
            self.few();
        }
        if block.live {
            self.settle();
        } else {
            self.dead();
        }
        self.back(block.back);
        self.live = was;
    }

    /// What dead code may have besides.
    fn dead(&mut self) {
        let function = self.dead_function.filter(|_| self.role == Role::Main);
        match (self.rng.below(4), function, self.callbacks.first()) {
            (at, Some(function), _) if at < 2 || !self.calls_dead => {
                self.ingredients.add("call_of_dead_function");
                self.calls_dead = true;
                self.emit(&[mov_reg(1, CONTEXT), mov_reg(2, HASH)]);
                self.code.emit_ref(call_rel(0), function);
            }
            (2, _, Some(&callback)) if self.has_context() => {
                self.ingredients.add("dead_bpf_loop");
                self.bpf_loop(callback);
            }
            _ => {}
        }
    }

    /// Goes on somewhere else.
    fn back(&mut self, to: Label) {
        match self.rng.below(4) {
            0 => self.code.emit_to(gotol(0), to),
            1 if self.live => {
                // Behind it is dead code.
                let always = self.always();
                self.code.emit_to(always, to);
                self.mix();
                self.note("dead_behind_a_jump_back");
                self.code.emit_to(ja(0), to);
            }
            _ => self.code.emit_to(ja(0), to),
        }
    }

    /// A number from 0 to [`MOST`] in r0. The verifier knows no more, or knows it. r1 to r5 may be lost.
    fn ranged(&mut self) {
        match self.rng.below(6) {
            0 => {
                let number = self.rng.range(0, MOST);
                self.emit(&[mov(0, number)]);
            }
            1 if self.has_context() => self.emit(&[ldx(W, 0, CONTEXT, MARK), below_most()]),
            _ => self.unknown(),
        }
    }

    /// The same. r1 to r5 are lost.
    fn unknown(&mut self) {
        let helper = self
            .rng
            .pick(&[BPF_FUNC_jiffies64, BPF_FUNC_get_prandom_u32]);
        self.emit(&[call(helper), below_most()]);
    }

    /// A jump that is never taken.
    fn never(&mut self) -> Insn {
        let width = self.rng.pick(&[W32, W64]);
        let (cond, imm) = match self.rng.below(6) {
            0 => (Cond::Gt, self.rng.range(MOST, 1_000)),
            1 => (Cond::Ge, self.rng.range(MOST + 1, 1_000)),
            2 => (Cond::Eq, self.rng.range(MOST + 1, 1_000)),
            3 => (Cond::Slt, self.rng.range(-5, 0)),
            4 => (Cond::Sgt, self.rng.range(MOST, 1_000)),
            _ => (Cond::Set, self.rng.range(1, 1_000) * (MOST + 1)),
        };
        branch(width, cond, 0, imm)
    }

    /// A jump that is always taken, with what it needs.
    fn always(&mut self) -> Insn {
        self.ranged();
        let width = self.rng.pick(&[W32, W64]);
        let (cond, imm) = match self.rng.below(6) {
            0 => (Cond::Lt, self.rng.range(MOST + 1, 1_000)),
            1 => (Cond::Le, self.rng.range(MOST, 1_000)),
            2 => (Cond::Ne, self.rng.range(MOST + 1, 1_000)),
            3 => (Cond::Sge, self.rng.range(-5, 0)),
            4 => (Cond::Slt, self.rng.range(MOST + 1, 1_000)),
            _ => {
                self.emit(&[alu_imm(W64, Op::Or, 0, MOST + 1)]);
                (Cond::Set, MOST + 1)
            }
        };
        branch(width, cond, 0, imm)
    }

    /// A jump that goes either way, as a register says.
    fn either(&mut self, reg: u8) -> Insn {
        let shift = self.rng.range(0, 56);
        self.emit(&[
            alu_imm(W64, Op::Rsh, reg, shift),
            alu_imm(W64, Op::And, reg, MOST),
        ]);
        self.compared(reg)
    }

    fn compared(&mut self, reg: u8) -> Insn {
        let width = self.rng.pick(&[W32, W64]);
        let (cond, imm) = (self.rng.pick(&Cond::ALL), self.rng.range(1, MOST - 1));
        if self.rng.percent(30) {
            self.emit(&[mov(0, imm)]);
            branch_reg(width, cond, reg, 0)
        } else {
            branch(width, cond, reg, imm)
        }
    }

    fn arithmetic(&mut self) {
        self.emit(&[mov_reg(1, HASH), mov_reg(2, HASH)]);
        for _ in 0..self.rng.range(1, 4) {
            let (dst, src) = (self.rng.pick(&[1, 2]), self.rng.pick(&[1, 2]));
            let width = self.rng.pick(&[W32, W64]);
            let insn = match self.rng.below(5) {
                0 => alu_reg(width, self.rng.pick(&[Op::Div, Op::Mod]), dst, src),
                1 => signed(alu_reg(width, self.rng.pick(&[Op::Div, Op::Mod]), dst, src)),
                2 => alu_imm(width, Op::Rsh, dst, self.rng.range(1, 31)),
                3 => alu_imm(width, Op::Xor, dst, self.rng.imm()),
                _ => alu_reg(width, self.rng.pick(&[Op::Add, Op::Mul, Op::Or]), dst, src),
            };
            self.emit(&[insn]);
        }
        self.add(1);
    }

    fn load(&mut self) {
        let word = self.rng.pick(&WORDS);
        let insn = match self.rng.below(6) {
            0 => ldx(W, 1, CONTEXT, IFINDEX),
            1 => ldx(W, 1, CONTEXT, word),
            2 => ldx(H, 1, CONTEXT, word + 2),
            _ => ldx(B, 1, CONTEXT, word + self.rng.range(0, 3) as i16),
        };
        self.emit(&[insn]);
        self.add(1);
    }

    fn store(&mut self) {
        let word = self.rng.pick(&WORDS);
        self.note("store_to_context");
        if self.rng.percent(30) {
            let imm = self.rng.imm();
            self.emit(&[st(W, CONTEXT, word, imm)]);
        } else {
            self.emit(&[stx(W, CONTEXT, word, HASH)]);
        }
    }

    fn packet(&mut self) {
        let behind = self.code.label();
        let bytes = self.rng.pick(&[16, 40, 64, 100]);
        self.emit(&[
            ldx(W, 1, CONTEXT, DATA),
            ldx(W, 2, CONTEXT, DATA_END),
            mov_reg(3, 1),
            alu_imm(W64, Op::Add, 3, bytes),
        ]);
        self.code.emit_to(jmp_reg(Cond::Gt, 3, 2, 0), behind);
        let size = self.size();
        let at = self
            .rng
            .below((i32::from(size.bytes()) - bytes).unsigned_abs() as usize)
            as i16;
        if self.profile.writes_packet && self.rng.percent(70) {
            self.note("write_to_packet");
            self.emit(&[stx(size, 1, at, HASH)]);
        } else {
            self.emit(&[ldx(size, 1, 1, at)]);
            self.add(1);
        }
        self.land(behind);
    }

    fn size(&mut self) -> Size {
        self.rng.pick(&[B, H, W, DW])
    }

    /// The value of a map, by its address.
    fn value(&mut self) {
        self.emit(&ld_map_value(1, VALUES, 0));
        self.access();
    }

    /// The same, if there is one under a key.
    fn lookup(&mut self) {
        let (key, behind) = (self.rng.below(2) as i32, self.code.label());
        self.note("lookup");
        self.emit(&[
            st(W, 10, SLOT, key),
            mov_reg(2, 10),
            alu_imm(W64, Op::Add, 2, SLOT.into()),
        ]);
        self.emit(&ld_map_fd(1, VALUES));
        self.emit(&[call(BPF_FUNC_map_lookup_elem)]);
        self.code.emit_to(branch(W64, Cond::Eq, 0, 0), behind);
        self.emit(&[mov_reg(1, 0)]);
        self.access();
        self.land(behind);
    }

    fn access(&mut self) {
        let size = self.size();
        let bytes = size.bytes();
        let at = self.rng.below(VALUE / bytes as usize) as i16 * bytes;
        if self.rng.percent(50) {
            self.emit(&[stx(size, 1, at, HASH)]);
        } else {
            self.emit(&[ldx(size, 1, 1, at)]);
            self.add(1);
        }
    }

    fn stack(&mut self) {
        let (size, at) = (self.size(), SLOT);
        self.emit(&[stx(DW, 10, at, HASH)]);
        self.mix();
        self.emit(&[ldx(size, 1, 10, at)]);
        self.add(1);
    }

    /// A jump to what is dead.
    fn never_taken(&mut self) {
        self.ranged();
        let never = self.never();
        let (dead, back) = self.aside(false);
        self.code.emit_to(never, dead);
        self.note("never_taken");
        self.land(back);
    }

    /// A jump over what is dead.
    fn always_taken(&mut self) {
        let always = self.always();
        let (live, back) = self.aside(true);
        self.note("always_taken");
        self.code.emit_to(always, live);
        let was = std::mem::replace(&mut self.live, false);
        self.mix();
        let leaves = self.rng.percent(30);
        if leaves {
            self.back(back);
        }
        self.live = was;
        if leaves {
            self.arrive(back);
        } else {
            self.land(back);
        }
    }

    /// What has to wait for a jump that is never taken: the processor may take it, and then a register has
    /// no value.
    fn barrier(&mut self) {
        let guarded = self.code.label();
        let callback = self.callbacks.first().copied();
        if let (true, Some(callback), true) = (self.may_loop(), callback, self.rng.percent(20)) {
            self.note("barrier_on_bpf_loop");
            self.bpf_loop_arguments(callback, true);
            let count = self.rng.range(1, 3);
            self.emit(&[ldx(W, 0, CONTEXT, MARK), below_most()]);
            let never = self.never();
            self.code.emit_to(never, guarded);
            self.emit(&[mov(1, count)]);
            self.code.place(guarded);
            return self.bpf_loop_call();
        }
        self.unknown();
        let never = self.never();
        self.code.emit_to(never, guarded);
        self.emit(&[mov_reg(1, HASH)]);
        if self.rng.percent(60) {
            let jump = self.compared_whole();
            self.code.place(guarded);
            let (live, back) = self.aside(true);
            self.note("barrier_on_a_jump");
            self.code.emit_to(jump, live);
            self.land(back);
        } else {
            self.note("barrier_elsewhere");
            self.code.place(guarded);
            self.add(1);
        }
    }

    /// A jump that compares r1, which is cut before.
    fn compared_whole(&mut self) -> Insn {
        let shift = self.rng.range(0, 56);
        self.emit(&[
            alu_imm(W64, Op::Rsh, 1, shift),
            alu_imm(W64, Op::And, 1, MOST),
        ]);
        let width = self.rng.pick(&[W32, W64]);
        let (cond, imm) = (self.rng.pick(&Cond::ALL), self.rng.range(1, MOST - 1));
        branch(width, cond, 1, imm)
    }

    fn branch(&mut self) {
        self.emit(&[mov_reg(1, HASH)]);
        let jump = self.either(1);
        let (live, back) = self.aside(true);
        self.code.emit_to(jump, live);
        self.land(back);
    }

    fn may_goto(&mut self) {
        let (live, back) = self.aside(true);
        self.note("may_goto");
        self.code.emit_to(may_goto(0), live);
        self.land(back);
    }

    /// A loop with a counter, which may_goto may end as well.
    fn counted(&mut self) {
        // On the ways that only the processor takes, the verifier forgets the count, and finds no end.
        if self.in_loop || self.profile.guarded {
            return self.mix();
        }
        let (head, end) = (self.code.label(), self.code.label());
        let (rounds, may) = (self.rng.range(2, 4), self.rng.percent(50));
        self.note("loop");
        self.emit(&[mov(COUNT, 0)]);
        self.code.place(head);
        if may {
            self.note("may_goto_loop");
            self.code.emit_to(may_goto(0), end);
        }
        self.in_loop = true;
        self.few();
        self.in_loop = false;
        self.emit(&[alu_imm(W64, Op::Add, COUNT, 1)]);
        self.code
            .emit_to(branch(W64, Cond::Lt, COUNT, rounds), head);
        self.land(end);
    }

    fn nops(&mut self) {
        match self.rng.below(3) {
            0 => self.emit(&[ja(0)]),
            1 => self.emit(&[may_goto(0)]),
            _ => self.emit(&[may_goto(1), may_goto(0), ja(0)]),
        }
        self.mix();
    }

    /// An indirect jump to a few places, from where it comes back.
    fn gotox(&mut self) {
        let places = self.rng.pick(&[2, 4]);
        let back = self.code.label();
        let mut labels = Vec::new();
        for _ in 0..places {
            let label = self.code.label();
            self.blocks.push_back(Block {
                label,
                back,
                live: self.live,
                depth: 2,
            });
            labels.push(label);
        }
        self.note("gotox");
        let shift = self.rng.range(0, 56);
        self.emit(&[mov_reg(2, HASH), alu_imm(W64, Op::Rsh, 2, shift)]);
        self.indirect(2, labels);
        self.arrive(back);
    }

    /// Jumps to the label that a register says, of a number of labels that is a power of 2.
    fn indirect(&mut self, reg: u8, labels: Vec<Label>) {
        let table = FIRST_TABLE + *self.tables;
        *self.tables += 1;
        let most = labels.len() as i32 - 1;
        self.emit(&ld_map_value(1, table, 0));
        self.emit(&[alu_imm(W64, Op::And, reg, most)]);
        if self.profile.guarded {
            // No index that is not known.
            let chosen = self.code.label();
            self.code.emit_to(branch(W64, Cond::Eq, reg, 0), chosen);
            let other = self.rng.range(1, most);
            self.emit(&ld_map_value(1, table, other * 8));
            self.code.place(chosen);
        } else {
            self.emit(&[alu_imm(W64, Op::Lsh, reg, 3), alu_reg(W64, Op::Add, 1, reg)]);
        }
        self.emit(&[ldx(DW, 1, 1, 0), gotox(1)]);
        self.code.table(labels);
    }

    fn tail_call(&mut self) {
        self.note("tail_call");
        self.emit(&[mov_reg(1, CONTEXT)]);
        self.emit(&ld_map_fd(2, PROGRAMS));
        if self.rng.percent(50) {
            // Mostly one that finds no program.
            let key = self.rng.pick(&[0, 1, 2, 3, 5, TAILS as i32]);
            self.emit(&[mov(3, key)]);
        } else {
            self.emit(&[mov_reg(3, HASH), alu_imm(W64, Op::And, 3, TAILS as i32 - 1)]);
        }
        self.emit(&[call(BPF_FUNC_tail_call)]);
        self.mix();
    }

    fn call(&mut self, function: usize) {
        self.note("call");
        self.emit(&[mov_reg(1, CONTEXT), mov_reg(2, HASH), mov(3, 3)]);
        self.code.emit_ref(call_rel(0), function);
        self.add(0);
    }

    /// Loops by callbacks are not nested.
    fn may_loop(&self) -> bool {
        self.has_context() && !self.in_loop
    }

    fn bpf_loop(&mut self, callback: usize) {
        // With another callback on another way, the helper is called.
        let other = self.callbacks.last().copied();
        let other = other.filter(|&other| other != callback && self.rng.percent(40));
        self.note(if other.is_some() {
            "bpf_loop_by_helper"
        } else {
            "bpf_loop"
        });
        self.bpf_loop_arguments(callback, false);
        if let Some(other) = other {
            let over = self.code.label();
            self.emit(&[mov_reg(1, HASH), alu_imm(W64, Op::And, 1, 1)]);
            self.code.emit_to(branch(W64, Cond::Eq, 1, 0), over);
            self.callback(other);
            self.code.place(over);
        }
        if self.rng.percent(50) {
            let rounds = self.rng.range(1, 3);
            self.emit(&[mov(1, rounds)]);
        } else {
            self.emit(&[mov_reg(1, HASH), alu_imm(W64, Op::And, 1, 3)]);
        }
        self.bpf_loop_call();
    }

    fn callback(&mut self, callback: usize) {
        let [low, high] = ld_func(2, 0);
        self.code.emit_ref(low, callback);
        self.emit(&[high]);
    }

    /// All arguments but the first. With `lost`, that one has no value.
    fn bpf_loop_arguments(&mut self, callback: usize, lost: bool) {
        if lost {
            self.unknown();
        }
        self.emit(&[stx(DW, 10, SUM, HASH)]);
        self.callback(callback);
        self.emit(&[
            mov_reg(3, 10),
            alu_imm(W64, Op::Add, 3, SUM.into()),
            mov(4, 0),
        ]);
    }

    fn bpf_loop_call(&mut self) {
        self.emit(&[
            call(BPF_FUNC_loop),
            ldx(DW, 1, 10, SUM),
            alu_reg(W64, Op::Add, 1, 0),
        ]);
        self.add(1);
    }
}

fn below_most() -> Insn {
    alu_imm(W64, Op::And, 0, MOST)
}

/// The program that tail calls find.
pub fn tail() -> Vec<Insn> {
    vec![
        ldx(W, 0, 1, MARK),
        alu_imm(W64, Op::Mul, 0, 0x2545_f491),
        alu_imm(W64, Op::Add, 0, 0x0123_4567),
        exit(),
    ]
}
