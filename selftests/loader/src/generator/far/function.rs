// SPDX-License-Identifier: GPL-2.0

//! A function of long jumps: where they are and how long is planned first, in insns of the rewritten
//! program, and then filler is put between them.

use std::collections::BTreeMap;

use super::body::{Body, Filler, Piece};
use super::kinds::{Compare, Kind, PAIRS};
use super::length::Rewriting;
use super::{CONTEXT, COUNT, HASH, LEFT, RESULT, RIGHT};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, call_rel, exit, gotol, ja, may_goto, mov, mov_reg, Cond, Op,
};
use crate::generator::asm::{Code, Label};
use crate::generator::rng::Rng;

/// Where a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Forward,
    Backward,
    /// To the first insn of the function.
    ToFirst,
    /// To its last insn, the exit.
    ToLast,
}

/// A jump, or for one that leads backward its target, and how far from it the other end is.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    pub from: usize,
    pub span: usize,
    pub kind: Kind,
    pub way: Way,
}

/// What the first insn of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Plain,
    /// A jump over all of the function to where it begins; from there the last insn jumps back. Of the
    /// main function.
    Around(Kind),
    /// A may_goto that leads to behind the end.
    MayGoto,
    /// A comparison of arguments that leads to behind the end. Of a subprogram.
    Compare(Compare),
}

/// The plan of a function.
pub struct Plan {
    pub longs: Vec<Long>,
    pub head: Head,
    /// Over how many insns the jump of the head leads.
    pub head_span: usize,
    /// Loops may go round so often.
    pub rounds: i32,
    /// Chance, in thousandths, that an insn of the filler grows.
    pub density: u32,
    pub filler: Filler,
    pub main: bool,
    /// Whether to call subprogram 1, at the start or at the end.
    pub call: Option<bool>,
}

enum Event {
    Start(Long),
    Land(Label),
    Back(Long, Label),
}

/// Writes the function, and says what its conditions compare.
pub fn write(rng: &mut Rng, how: Rewriting, plan: &Plan) -> (Code, Vec<Compare>) {
    let mut body = Body::new(rng, how, plan.density, plan.filler);
    let (first, last, aside) = (body.code.label(), body.code.label(), body.code.label());
    let begin = body.code.label();
    body.code.place(first);
    let mut end = 0;
    let jump = match plan.head {
        Head::Plain => None,
        Head::Around(Kind::Gotol) => Some(gotol(0)),
        Head::Around(_) => Some(ja(0)),
        Head::MayGoto => Some(may_goto(0)),
        Head::Compare(compare) => {
            body.compares.push(compare);
            Some(compare.insn(4, 5))
        }
    };
    if let Some(jump) = jump {
        let pieces = [Piece::To(jump, aside)];
        end = body.behind_jump(&pieces, aside) + plan.head_span;
        body.emit_pieces(&pieces);
    }
    if matches!(plan.head, Head::Around(_)) {
        body.code.place(begin);
        body.mix();
    } else {
        enter(&mut body, plan);
    }
    if plan.call == Some(true) {
        call(&mut body, plan);
    }

    // By where they are due; those of one place in the order in which they were added.
    let mut events = BTreeMap::new();
    for (number, &long) in plan.longs.iter().enumerate() {
        let (due, event) = match long.way {
            // It has no target of its own to place.
            Way::ToFirst => (long.span, Event::Back(long, first)),
            _ => (body.at() + long.from, Event::Start(long)),
        };
        events.insert((due, number), event);
    }
    let mut added = plan.longs.len();
    while let Some(((at, _), event)) = events.pop_first() {
        let mut add = |at: usize, event: Event| {
            events.insert((at, added), event);
            added += 1;
        };
        match event {
            Event::Land(label) => {
                body.land(label, at);
            }
            Event::Start(long) if long.way == Way::Backward => {
                let label = body.code.label();
                let landed = body.land(label, at);
                add(landed + long.span, Event::Back(long, label));
            }
            Event::Start(long) => {
                body.fill(at);
                let label = match long.way {
                    Way::ToLast => last,
                    _ => body.code.label(),
                };
                if long.way == Way::ToLast {
                    let result = body.result();
                    body.emit(&result);
                }
                let pieces = forward(&mut body, long.kind, label);
                let to = body.at() + body.behind_jump(&pieces, label) + long.span;
                body.emit_pieces(&pieces);
                body.mix();
                match long.way {
                    Way::ToLast => end = end.max(to),
                    _ => add(to, Event::Land(label)),
                }
            }
            Event::Back(long, label) => {
                let pieces = backward(&mut body, long, label);
                let behind = body.behind_jump(&pieces, label);
                body.fill(at.saturating_sub(behind));
                body.emit_pieces(&pieces);
                // Scratch has the arguments, of which one is a pointer.
                body.settle();
                body.mix();
            }
        }
    }
    if plan.call == Some(false) {
        call(&mut body, plan);
    }
    let result = body.result();
    // What is behind the end is one insn further.
    let exits = usize::from(plan.head != Head::Plain);
    body.fill(end.saturating_sub(result.len() + exits));
    body.emit(&result);
    body.code.place(last);
    body.emit(&[exit()]);
    match plan.head {
        Head::Plain => {}
        Head::Around(kind) => {
            body.code.place(aside);
            enter(&mut body, plan);
            let back = if kind == Kind::Gotol { gotol(0) } else { ja(0) };
            body.emit_to(back, begin);
        }
        Head::MayGoto => {
            body.code.place(aside);
            body.emit(&[mov(RESULT, 1), exit()]);
        }
        Head::Compare(_) => {
            body.code.place(aside);
            body.emit(&[
                mov_reg(RESULT, 2),
                alu_imm(W64, Op::Xor, RESULT, 0x5a5a),
                exit(),
            ]);
        }
    }
    let Body { code, compares, .. } = body;
    (code, compares)
}

/// Context, hash and count, of the arguments in a subprogram.
fn enter(body: &mut Body<'_>, plan: &Plan) {
    body.emit(&[mov_reg(CONTEXT, 1)]);
    if plan.main {
        body.emit(&[mov(HASH, 1), mov(COUNT, plan.rounds)]);
    } else {
        body.emit(&[mov_reg(HASH, 2), mov_reg(COUNT, 3)]);
    }
    body.begin();
}

/// Calls subprogram 1.
fn call(body: &mut Body<'_>, plan: &Plan) {
    body.emit(&[mov_reg(1, CONTEXT), mov_reg(2, HASH), mov(3, plan.rounds)]);
    let (left, right) = (body.rng.below(PAIRS.len()), body.rng.below(PAIRS.len()));
    body.emit(&Body::pair(left, 4, 5));
    body.emit(&Body::pair(right, 5, RESULT));
    body.emit_ref(call_rel(0), 1);
    body.emit(&[alu_reg(W64, Op::Xor, HASH, RESULT)]);
    body.mix();
    body.settle();
}

/// A jump that leads forward, if its condition, or that of a jump over it, lets it.
fn forward(body: &mut Body<'_>, kind: Kind, label: Label) -> Vec<Piece> {
    match kind {
        Kind::MayGoto => vec![Piece::To(may_goto(0), label)],
        Kind::Cond(code) => {
            let compare = Compare::of(body.rng, code);
            body.compared(&compare, label)
        }
        Kind::Ja | Kind::Gotol => {
            let over = body.code.label();
            let compare = Compare::draw(body.rng);
            let mut pieces = body.compared(&compare, over);
            let jump = if kind == Kind::Ja { ja(0) } else { gotol(0) };
            pieces.extend([Piece::To(jump, label), Piece::Place(over)]);
            pieces
        }
    }
}

/// A jump that leads backward a few times at most, and then none.
fn backward(body: &mut Body<'_>, long: Long, label: Label) -> Vec<Piece> {
    let over = body.code.label();
    let mut pieces = vec![
        Piece::Insn(body.count_down()),
        Piece::To(branch(W64, Cond::Sle, COUNT, 0), over),
    ];
    let to_first = long.way == Way::ToFirst;
    // The arguments of the function are where operands are else.
    let right = if to_first { RESULT } else { RIGHT };
    let compare = match long.kind {
        Kind::Cond(code) => Some(Compare::of(body.rng, code)),
        Kind::MayGoto => None,
        _ => Some(Compare::draw(body.rng)),
    };
    if let Some(compare) = &compare {
        let operands = body.operands(compare, LEFT, right);
        pieces.extend(operands.into_iter().map(Piece::Insn));
    }
    if to_first {
        let arguments = [mov_reg(1, CONTEXT), mov_reg(2, HASH), mov_reg(3, COUNT)];
        let pair = body.rng.below(PAIRS.len());
        let other = Body::pair(pair, 4, 5);
        let arguments = arguments.into_iter().chain(other);
        pieces.extend(arguments.map(Piece::Insn));
    }
    match (long.kind, compare) {
        (Kind::Ja | Kind::Gotol, Some(compare)) => {
            let jump = if long.kind == Kind::Ja {
                ja(0)
            } else {
                gotol(0)
            };
            pieces.push(Piece::To(compare.insn(LEFT, right), over));
            pieces.push(Piece::To(jump, label));
        }
        (_, Some(compare)) => pieces.push(Piece::To(compare.insn(LEFT, right), label)),
        (_, None) => pieces.push(Piece::To(may_goto(0), label)),
    }
    pieces.push(Piece::Place(over));
    pieces
}
