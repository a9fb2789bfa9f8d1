// SPDX-License-Identifier: GPL-2.0

//! A function of long jumps: where they are and how long is planned first, in insns of the rewritten
//! program, and then filler is put between them.

use std::collections::BTreeMap;

use libbpf_sys::BPF_FUNC_jiffies64;

use super::body::{Body, Filler, Piece};
use super::kinds::{Compare, Flavour, Kind, PAIRS};
use super::length::Rewriting;
use super::{CONTEXT, COUNT, HASH, LEFT, RESULT, RIGHT};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, call as call_helper, call_rel, exit, mov, mov_reg, Cond, Op,
};
use crate::programs::generator::asm::{Code, Label};
use crate::programs::generator::rng::Rng;

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

/// What a function has besides jumps.
#[derive(Clone, Copy, Debug)]
pub enum Extra {
    /// A call of a helper, which becomes some insns.
    Helper,
    /// Code that is never reached, with a static branch in it.
    Dead(Flavour),
    /// A static branch to the next insn.
    Next(Flavour),
}

/// What the first insn of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Plain,
    /// A jump over all of the function to where it begins; from there the last insn jumps back. Of the
    /// main function.
    Around(Kind),
    /// A jump that compares nothing, a may_goto or a static branch, and leads to behind the end.
    Aside(Kind),
    /// A comparison of arguments that leads to behind the end. Of a subprogram.
    Compare(Compare),
}

/// The plan of a function.
pub struct Plan {
    pub longs: Vec<Long>,
    /// With where they are. Of a function that has some, it is not known how long it becomes.
    pub extras: Vec<(usize, Extra)>,
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
    Extra(Extra),
}

/// A function.
pub struct Written {
    pub code: Code,
    /// What its conditions compare.
    pub compares: Vec<Compare>,
    /// Insns that are never reached, by their indices.
    pub dead: Vec<usize>,
}

/// Writes the function.
pub fn write(rng: &mut Rng, how: Rewriting, plan: &Plan) -> Written {
    let mut body = Body::new(rng, how, plan.density, plan.filler);
    let (first, last, aside) = (body.code.label(), body.code.label(), body.code.label());
    let begin = body.code.label();
    body.code.place(first);
    let mut end = 0;
    let jump = match plan.head {
        Head::Plain => None,
        Head::Around(kind) | Head::Aside(kind) => kind.insn(),
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
    for &(from, extra) in &plan.extras {
        events.insert((body.at() + from, added), Event::Extra(extra));
        added += 1;
    }
    while let Some(((at, _), event)) = events.pop_first() {
        let mut add = |at: usize, event: Event| {
            events.insert((at, added), event);
            added += 1;
        };
        match event {
            Event::Land(label) => {
                body.land(label, at);
            }
            Event::Extra(extra) => {
                body.fill(at);
                add_extra(&mut body, extra);
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
            if let Some(back) = kind.insn() {
                body.emit_to(back, begin);
            }
        }
        Head::Aside(_) => {
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
    let Body {
        code,
        compares,
        dead,
        ..
    } = body;
    Written {
        code,
        compares,
        dead,
    }
}

fn add_extra(body: &mut Body<'_>, extra: Extra) {
    match extra {
        Extra::Helper => {
            body.emit(&[call_helper(BPF_FUNC_jiffies64)]);
            body.settle();
        }
        Extra::Dead(flavour) => {
            let over = body.code.label();
            let known = body.rng.range(1, 1_000);
            body.emit(&[mov(RIGHT, known)]);
            body.emit_to(branch(W64, Cond::Eq, RIGHT, known), over);
            let start = body.code.len();
            body.emit_to(flavour.insn(), over);
            body.mix();
            body.dead.extend(start..body.code.len());
            body.code.place(over);
        }
        Extra::Next(flavour) => body.emit(&[flavour.insn()]),
    }
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
    match (kind, kind.insn()) {
        (Kind::Ja | Kind::Gotol, Some(jump)) => {
            let over = body.code.label();
            let compare = Compare::draw(body.rng);
            let mut pieces = body.compared(&compare, over);
            pieces.extend([Piece::To(jump, label), Piece::Place(over)]);
            pieces
        }
        (Kind::Cond(code), _) => {
            let compare = Compare::of(body.rng, code);
            body.compared(&compare, label)
        }
        (_, jump) => jump
            .map(|jump| Piece::To(jump, label))
            .into_iter()
            .collect(),
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
        Kind::MayGoto | Kind::Branch(_) => None,
        Kind::Ja | Kind::Gotol => Some(Compare::draw(body.rng)),
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
    let jump = long.kind.insn();
    if let Some(compare) = compare {
        // With a jump of its own it leads over that.
        let to = if jump.is_some() { over } else { label };
        pieces.push(Piece::To(compare.insn(LEFT, right), to));
    }
    pieces.extend(jump.map(|jump| Piece::To(jump, label)));
    pieces.push(Piece::Place(over));
    pieces
}
