// SPDX-License-Identifier: GPL-2.0

//! Kinds of jumps, and what their conditions compare.

use crate::bpf::insn::{
    branch, branch_reg, gotol, ja, may_goto, static_branch, Cond, Insn, Width, GOTOL, JA, MAY_GOTO,
};
use crate::bpf::insn::{Cond::*, Width::*};
use crate::bpf::skb::{CB, MARK, PRIORITY};
use crate::programs::generator::rng::Rng;

/// A long jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A conditional one, by its insn's code.
    Cond(u8),
    Ja,
    Gotol,
    MayGoto,
    Branch(Flavour),
}

/// What a static branch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flavour {
    /// Its offset has 32 bits.
    pub wide: bool,
    /// It begins as a nop.
    pub nop: bool,
}

impl Flavour {
    pub const ALL: [Self; 4] = [
        Self::new(false, false),
        Self::new(false, true),
        Self::new(true, false),
        Self::new(true, true),
    ];

    const fn new(wide: bool, nop: bool) -> Self {
        Self { wide, nop }
    }

    /// Of an insn that is a static branch.
    pub fn of(insn: Insn) -> Self {
        Self::new(insn.code == GOTOL, insn.begins_as_nop())
    }

    /// The insn, to the next one.
    pub fn insn(self) -> Insn {
        static_branch(self.wide, self.nop, 0)
    }
}

impl Kind {
    /// Of an insn that is a jump.
    pub fn of(insn: Insn) -> Self {
        match insn.code {
            _ if insn.is_static_branch() => Kind::Branch(Flavour::of(insn)),
            JA => Kind::Ja,
            GOTOL => Kind::Gotol,
            MAY_GOTO => Kind::MayGoto,
            code => Kind::Cond(code),
        }
    }

    /// Does its offset have 32 bits?
    pub fn is_wide(self) -> bool {
        matches!(self, Kind::Gotol | Kind::Branch(Flavour { wide: true, .. }))
    }

    /// The insn of a kind that compares nothing, to the next insn.
    pub fn insn(self) -> Option<Insn> {
        match self {
            Kind::Cond(_) => None,
            Kind::Ja => Some(ja(0)),
            Kind::Gotol => Some(gotol(0)),
            Kind::MayGoto => Some(may_goto(0)),
            Kind::Branch(flavour) => Some(flavour.insn()),
        }
    }

    pub fn draw(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0 | 1 => Kind::Ja,
            2 => Kind::Gotol,
            3 | 4 => Kind::MayGoto,
            _ => Kind::Cond(Compare::draw(rng).code),
        }
    }

    /// As the report has it.
    pub fn name(self) -> String {
        match self {
            Kind::Ja => "ja".to_owned(),
            Kind::Gotol => "gotol".to_owned(),
            Kind::MayGoto => "may_goto".to_owned(),
            Kind::Branch(flavour) => {
                let jump = if flavour.wide { "gotol" } else { "goto" };
                if flavour.nop {
                    format!("nop_or_{jump}")
                } else {
                    format!("{jump}_or_nop")
                }
            }
            Kind::Cond(code) => {
                let cond = Cond::of(code).map_or("?".to_owned(), |cond| format!("{cond:?}"));
                let width = if code & 7 == 6 { "32" } else { "64" };
                let operand = if code & 8 != 0 { 'x' } else { 'k' };
                format!("j{}{width}_{operand}", cond.to_lowercase())
            }
        }
    }

    /// All that have a condition.
    pub fn conditional() -> impl Iterator<Item = Self> {
        let codes = |cond| {
            [W32, W64].into_iter().flat_map(move |width| {
                let forms = [branch(width, cond, 0, 0), branch_reg(width, cond, 0, 0)];
                forms.map(|insn| Kind::Cond(insn.code))
            })
        };
        Cond::ALL.into_iter().flat_map(codes)
    }
}

/// Two words of the context that make a number of 64 bits, the higher one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub high: i16,
    pub low: i16,
}

/// What is drawn for each run.
pub const PAIRS: [Pair; 3] = [
    Pair {
        high: MARK,
        low: PRIORITY,
    },
    Pair {
        high: CB,
        low: CB + 4,
    },
    Pair {
        high: CB + 8,
        low: CB + 12,
    },
];

/// What a pair is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// A number of the insn.
    Imm(i32),
    /// A number in a register.
    Value(u64),
    /// Another pair, by its index in [`PAIRS`].
    Pair(usize),
}

/// A comparison of which both outcomes are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    pub code: u8,
    pub cond: Cond,
    pub width: Width,
    /// Index in [`PAIRS`].
    pub left: usize,
    pub right: Right,
}

impl Compare {
    /// Any.
    pub fn draw(rng: &mut Rng) -> Self {
        let cond = rng.pick(&Cond::ALL);
        let width = rng.pick(&[W32, W64]);
        let register = rng.percent(50);
        Self::drawn(rng, cond, width, register)
    }

    /// One whose insn has this code.
    pub fn of(rng: &mut Rng, code: u8) -> Self {
        let cond = Cond::of(code).unwrap_or(Eq);
        let width = if code & 7 == 6 { W32 } else { W64 };
        Self::drawn(rng, cond, width, code & 8 != 0)
    }

    fn drawn(rng: &mut Rng, cond: Cond, width: Width, register: bool) -> Self {
        let left = rng.below(PAIRS.len());
        let imm = number(rng, cond);
        let right = match (register, rng.below(3)) {
            (false, _) => Right::Imm(imm),
            (true, 0) => Right::Value(i64::from(imm) as u64),
            (true, 1) => Right::Value(wide(rng)),
            (true, _) => Right::Pair((left + 1 + rng.below(2)) % PAIRS.len()),
        };
        let form = if register {
            branch_reg(width, cond, 0, 0)
        } else {
            branch(width, cond, 0, 0)
        };
        Self {
            code: form.code,
            cond,
            width,
            left,
            right,
        }
    }

    /// The jump, with the pair in `left`, and in `right` what it is compared with unless that is a number
    /// of the insn.
    pub fn insn(&self, left: u8, right: u8) -> Insn {
        match self.right {
            Right::Imm(imm) => branch(self.width, self.cond, left, imm),
            _ => branch_reg(self.width, self.cond, left, right),
        }
    }
}

/// A number that something is less than, and something is more than, whatever the sign and the width.
fn number(rng: &mut Rng, cond: Cond) -> i32 {
    let ends = matches!(cond, Eq | Ne) && rng.percent(30);
    if ends {
        return rng.pick(&[0, -1, i32::MIN, i32::MAX]);
    }
    match rng.below(3) {
        0 => rng.pick(&[1, 2, -2, 255, 0x8000, 0xffff, i32::MIN + 1, i32::MAX - 1]),
        1 => rng.range(2, 1_000),
        _ => (rng.next() as i32 | 2) & !1,
    }
}

/// The same for 64 bits, of which a 32-bit comparison takes the lower half.
fn wide(rng: &mut Rng) -> u64 {
    let low = u64::from(rng.next() as u32 | 2) & !1;
    rng.next() & 0x7fff_fffe_0000_0000 | 2 << 32 | low
}
