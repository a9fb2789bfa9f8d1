// SPDX-License-Identifier: GPL-2.0

//! The insns of a function as they are written, while it is known where they will be once they are
//! rewritten.

use super::kinds::{Compare, Right, PAIRS};
use super::length::Rewriting;
use super::{CONTEXT, COUNT, HASH, LEFT, RESULT, RIGHT};
use crate::bpf::insn::Size::{B, DW, H, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, alu_reg, ja, ld_imm64, ldx, mov, mov_reg, signed, stx, Insn, Op, GOTOL, MAY_GOTO,
};
use crate::bpf::skb::{IFINDEX, LEN, MARK, PRIORITY};
use crate::programs::generator::asm::{Code, Label};
use crate::programs::generator::rng::Rng;

/// Registers that filler writes to.
const SCRATCH: [u8; 5] = [1, 2, 3, 4, 5];
/// Slots of the stack that filler stores to.
const SLOTS: [i16; 2] = [-8, -16];

/// What filler that grows consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    Loads,
    Divisions,
    Both,
}

impl Filler {
    /// Insns that an insn of it becomes, on average, in hundredths.
    pub fn growth(self, how: Rewriting) -> usize {
        match (self, how.blinded) {
            (Filler::Loads, false) => 275,
            (Filler::Loads, true) => 450,
            (Filler::Divisions, false) => 755,
            (Filler::Divisions, true) => 775,
            (Filler::Both, false) => 515,
            (Filler::Both, true) => 610,
        }
    }
}

/// Part of a sequence whose length has to be known before it is emitted.
#[derive(Clone, Copy)]
pub enum Piece {
    Insn(Insn),
    To(Insn, Label),
    Place(Label),
}

pub struct Body<'a> {
    pub code: Code,
    pub rng: &'a mut Rng,
    how: Rewriting,
    /// Where the next insn will be, relative to the start of the function.
    at: usize,
    /// Chance, in thousandths, that an insn of the filler grows.
    density: u32,
    filler: Filler,
    pub compares: Vec<Compare>,
    /// Insns that are never reached, by their indices.
    pub dead: Vec<usize>,
}

impl<'a> Body<'a> {
    pub fn new(rng: &'a mut Rng, how: Rewriting, density: u32, filler: Filler) -> Self {
        Self {
            code: Code::new(),
            rng,
            how,
            at: 0,
            density,
            filler,
            compares: Vec::new(),
            dead: Vec::new(),
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn emit(&mut self, insns: &[Insn]) {
        self.at += self.length(insns);
        self.code.emit(insns);
    }

    fn length(&self, insns: &[Insn]) -> usize {
        insns.iter().map(|&insn| self.how.length(insn)).sum()
    }

    /// A jump that is not to the next insn.
    pub fn emit_to(&mut self, insn: Insn, label: Label) {
        self.at += self.how.length(somewhere(insn));
        self.code.emit_to(insn, label);
    }

    pub fn emit_ref(&mut self, insn: Insn, function: usize) {
        self.at += self.how.length(insn);
        self.code.emit_ref(insn, function);
    }

    pub fn emit_pieces(&mut self, pieces: &[Piece]) {
        for &piece in pieces {
            match piece {
                Piece::Insn(insn) => self.emit(&[insn]),
                Piece::To(insn, label) => self.emit_to(insn, label),
                Piece::Place(label) => self.code.place(label),
            }
        }
    }

    /// From where the offset of the jump to `label` counts, relative to the start of the pieces.
    pub fn behind_jump(&self, pieces: &[Piece], label: Label) -> usize {
        let mut at = 0;
        for &piece in pieces {
            match piece {
                Piece::Insn(insn) => at += self.how.length(insn),
                Piece::To(insn, to) if to == label => {
                    return at + self.how.behind_jump(somewhere(insn));
                }
                Piece::To(insn, _) => at += self.how.length(somewhere(insn)),
                Piece::Place(_) => {}
            }
        }
        at
    }

    /// Insns that every way through the program shows in its result.
    pub fn mix(&mut self) {
        let mix = self.mixture();
        self.emit(&mix);
    }

    fn mixture(&mut self) -> [Insn; 2] {
        let factor = self.rng.range(1, 1 << 20) * 2 + 1;
        let term = self.rng.next() as i32 | 1;
        [
            alu_imm(W64, Op::Mul, HASH, factor),
            alu_imm(W64, Op::Add, HASH, term),
        ]
    }

    /// A label at `at`, or behind what is there already: says where. What is around it shows if a jump leads
    /// elsewhere.
    pub fn land(&mut self, label: Label, at: usize) -> usize {
        let mix = self.mixture();
        self.fill(at.saturating_sub(self.length(&mix)));
        self.emit(&mix);
        // The verifier keeps a state where ways meet only if it has seen two jumps since the last one.
        // These are gone when it is done.
        self.emit(&[ja(0), ja(0)]);
        self.fill(at);
        self.code.place(label);
        let at = self.at;
        self.mix();
        at
    }

    /// Filler up to `at`.
    pub fn fill(&mut self, at: usize) {
        while self.at < at {
            let insns = if self.rng.below(1_000) < self.density as usize {
                [self.growing()]
            } else {
                [self.small()]
            };
            if self.at + self.length(&insns) > at {
                let insn = self.small();
                self.emit(&[insn]);
            } else {
                self.emit(&insns);
            }
        }
    }

    /// An insn that grows.
    fn growing(&mut self) -> Insn {
        match self.filler {
            Filler::Loads => self.growing_load(),
            Filler::Divisions => self.division(),
            Filler::Both if self.rng.percent(50) => self.growing_load(),
            Filler::Both => self.division(),
        }
    }

    /// By what may be 0.
    fn division(&mut self) -> Insn {
        let (dst, src) = (self.rng.pick(&SCRATCH), self.rng.pick(&SCRATCH));
        let op = self.rng.pick(&[Op::Div, Op::Mod]);
        let insn = alu_reg(self.rng.pick(&[W32, W64]), op, dst, src);
        if self.rng.percent(90) {
            signed(insn)
        } else {
            insn
        }
    }

    fn growing_load(&mut self) -> Insn {
        let dst = self.rng.pick(&SCRATCH);
        let word = self.rng.pick(&[MARK, PRIORITY]);
        match self.rng.below(8) {
            0 => ldx(W, dst, CONTEXT, IFINDEX),
            1 => ldx(B, dst, CONTEXT, word),
            2 => ldx(H, dst, CONTEXT, word + 2),
            _ => ldx(B, dst, CONTEXT, word + self.rng.range(1, 3) as i16),
        }
    }

    /// An insn that does not grow.
    fn small(&mut self) -> Insn {
        let (dst, src) = (self.rng.pick(&SCRATCH), self.rng.pick(&SCRATCH));
        let op = self
            .rng
            .pick(&[Op::Add, Op::Sub, Op::Xor, Op::Or, Op::And, Op::Mul]);
        let width = self.rng.pick(&[W32, W64]);
        match self.rng.below(8) {
            0 | 1 => alu_reg(W64, self.rng.pick(&[Op::Add, Op::Sub, Op::Xor]), HASH, src),
            2 => alu_reg(width, op, dst, src),
            3 => {
                // Not one that keeps the sign: the verifier follows what may be 0 or -1 each way.
                let shift = self.rng.pick(&[Op::Lsh, Op::Rsh]);
                alu_imm(width, shift, dst, self.rng.range(1, 31))
            }
            4 => mov_reg(dst, HASH),
            5 => stx(DW, 10, self.rng.pick(&SLOTS), src),
            6 => ldx(DW, dst, 10, self.rng.pick(&SLOTS)),
            _ if self.how.blinded => ldx(W, dst, CONTEXT, LEN),
            _ => alu_imm(width, op, dst, self.rng.imm()),
        }
    }

    /// Gives scratch registers and slots values.
    pub fn settle(&mut self) {
        self.emit(&SCRATCH.map(|dst| mov_reg(dst, HASH)));
    }

    /// Context, hash and count are in their registers: makes the rest ready.
    pub fn begin(&mut self) {
        self.emit(&SLOTS.map(|slot| stx(DW, 10, slot, HASH)));
        self.settle();
    }

    /// Loads a pair into a register; another one is lost.
    pub fn pair(pair: usize, dst: u8, other: u8) -> [Insn; 4] {
        let words = PAIRS[pair];
        [
            ldx(W, dst, CONTEXT, words.high),
            alu_imm(W64, Op::Lsh, dst, 32),
            ldx(W, other, CONTEXT, words.low),
            alu_reg(W64, Op::Or, dst, other),
        ]
    }

    /// Loads what a comparison compares; the right side into `right` unless it is a number of the insn.
    pub fn operands(&mut self, compare: &Compare, left: u8, right: u8) -> Vec<Insn> {
        self.compares.push(*compare);
        let mut insns = Self::pair(compare.left, left, SCRATCH[2]).to_vec();
        match compare.right {
            Right::Imm(_) => {}
            Right::Value(value) => match i32::try_from(value as i64) {
                Ok(imm) => insns.push(mov(right, imm)),
                Err(_) => insns.extend(ld_imm64(right, value)),
            },
            Right::Pair(pair) => insns.extend(Self::pair(pair, right, SCRATCH[4])),
        }
        insns
    }

    /// A comparison and its jump, with the registers that are free for it.
    pub fn compared(&mut self, compare: &Compare, label: Label) -> Vec<Piece> {
        let operands = self.operands(compare, LEFT, RIGHT);
        let mut pieces: Vec<_> = operands.into_iter().map(Piece::Insn).collect();
        pieces.push(Piece::To(compare.insn(LEFT, RIGHT), label));
        pieces
    }

    /// The result is made of the hash.
    pub fn result(&mut self) -> [Insn; 3] {
        [
            mov_reg(RESULT, HASH),
            alu_imm(W64, Op::Rsh, RESULT, 32),
            alu_reg(W64, Op::Xor, RESULT, HASH),
        ]
    }

    /// Fewer rounds are left.
    pub fn count_down(&mut self) -> Insn {
        alu_imm(W64, Op::Sub, COUNT, 1)
    }
}

/// The same jump, to somewhere else than the next insn.
fn somewhere(insn: Insn) -> Insn {
    match insn.code {
        GOTOL | MAY_GOTO => insn,
        _ => insn.with_off(1),
    }
}
