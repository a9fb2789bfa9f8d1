// SPDX-License-Identifier: GPL-2.0

//! Programs: references of every form to insns and, rarely, out of the program; and all that has
//! insn indices.

use super::Bytes;
use crate::{
    engine::abi::{Insn, InsnAux},
    model::{Meta, Sub, DELETED, GARBAGE, MAX_OFF},
};
use kernel::prelude::Zeroable;

/// Most insns of a program in which no jump can be too far.
pub(super) const REACH: u32 = MAX_OFF as u32;
/// Are jumps so short that most programs grow longer than they reach?
pub(super) const IS_SHORT: bool = cfg!(feature = "short_reach");
/// One of this many programs is long from the beginning.
const LONG: u8 = if IS_SHORT { 2 } else { 32 };

/// A program on which sessions are held.
pub(crate) struct Source {
    pub(crate) insns: Vec<(Insn, InsnAux)>,
    pub(crate) meta: Meta,
    pub(crate) verified: bool,
}

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    let mut insn = Insn {
        code,
        off,
        imm,
        ..Default::default()
    };
    insn.set_dst_reg(dst);
    insn.set_src_reg(src);
    insn
}

/// The distance of a jump that is not `gotol`, if it fits.
fn near(distance: i64) -> Option<i16> {
    let fits = (-MAX_OFF - 1..=MAX_OFF).contains(&distance);
    fits.then_some(distance as i16)
}

/// `src_reg` of a goto: a plain one, or a static branch that begins as a jump or as a nop.
fn flavour(marker: u32) -> u8 {
    [0, 1, 3][marker as usize % 3]
}

/// An insn that refers to the one `distance` behind it, or to none, marked with a number where that
/// leaves room.
pub(super) fn any(kind: u8, distance: i64, marker: u32) -> Insn {
    let mark = marker as i32;
    let short = marker as i16;
    let wide = distance as i32;
    let Some(near) = near(distance) else {
        // A long jump or a call.
        return match kind % 2 {
            0 => insn(0x06, 0, flavour(marker), short, wide),
            _ => insn(0x85, 0, 1, short, wide),
        };
    };
    match kind % 20 {
        // r1 = number, w1 = number
        0 => insn(0xb7, 1, 0, 0, mark),
        1 => insn(0xb4, 1, 0, 0, mark),
        // Jumps: if r1 == number, if w1 > r2, goto, may_goto
        2 | 3 => insn(0x15, 1, 0, near, mark),
        4 => insn(0x2e, 1, 2, near, mark),
        5 => insn(0x05, 0, flavour(marker), near, mark),
        6 => insn(0xe5, 0, 0, near, mark),
        // gotol
        7 | 8 => insn(0x06, 0, flavour(marker), short, wide),
        // Calls of a subprog, of a helper, of a kfunc
        9 | 10 => insn(0x85, 0, 1, short, wide),
        11 => insn(0x85, 0, 0, 0, mark),
        12 => insn(0x85, 0, 2, 0, mark),
        // gotox, a tail call
        13 => insn(0x0d, 1, 0, 0, mark),
        14 => insn(0xf5, 0, 0, 0, mark),
        // The first insn of a subprog's address, of a map's, a second insn
        15 | 16 => insn(0x18, 1, 4, short, wide),
        17 => insn(0x18, 1, 1, short, mark),
        18 => insn(0x00, 0, 0, 0, mark),
        // exit
        _ => insn(0x95, 0, 0, 0, mark),
    }
}

fn distance(at: u32, to: i64) -> i64 {
    to - i64::from(at) - 1
}

/// What insn `at` refers to.
fn target(b: &mut Bytes<'_>, at: u32, len: u32) -> i64 {
    match b.byte() {
        // As far as 16 bits tell, or almost, where the program goes that far.
        far @ 200..=227 if at + REACH + 1 - u32::from(far - 200) < len => {
            (at + REACH + 1 - u32::from(far - 200)).into()
        }
        far @ 228..=249 if at + u32::from(far - 228) >= REACH => {
            (at + u32::from(far - 228) - REACH).into()
        }
        // Out of the program, as in nothing verified. Not in long ones: there, nothing that is in
        // the program is out of reach before edits.
        250 | 251 if len > REACH || IS_SHORT => b.below(len).into(),
        250 => -1 - i64::from(b.below(4)),
        251 => i64::from(len + b.below(4)),
        _ if len > REACH => b.below(len).into(),
        to => i64::from(u32::from(to) % len),
    }
}

fn insns(b: &mut Bytes<'_>, len: u32) -> Vec<Insn> {
    if len <= REACH {
        return (0..len)
            .map(|at| {
                let kind = b.byte();
                any(kind, distance(at, target(b, at, len)), at)
            })
            .collect();
    }
    let mut insns: Vec<_> = (0..len).map(|at| any(0, 0, at)).collect();
    for _ in 0..b.below(if IS_SHORT { 96 } else { 24 }) {
        let at = match b.below(len) {
            // Half of them where they can be far from the other end.
            any if any % 4 == 0 => any / 4 % 256,
            any if any % 4 == 1 => len - 1 - any / 4 % 256,
            any => any,
        };
        let kind = b.byte();
        insns[at as usize] = any(kind, distance(at, target(b, at, len)), at);
    }
    insns
}

fn aux(bits: u8, at: u32) -> InsnAux {
    let mut aux = InsnAux {
        orig_idx: at,
        seen: [0, 1, 7, 1][usize::from(bits % 4)],
        zext_dst: bits & 4 != 0,
        nospec: bits & 8 != 0,
        map_key_state: u64::from(at) + 1,
        ..Zeroable::zeroed()
    };
    aux.set_indirect_target(u32::from(bits & 16 != 0));
    aux.set_jump_target(u32::from(bits & 32 != 0));
    aux
}

pub(crate) fn program(b: &mut Bytes<'_>) -> Source {
    let shape = b.byte();
    let is_long = shape % LONG == LONG - 1;
    let len = match is_long {
        true => REACH - 37 + b.below(256),
        false => 1 + b.below(48),
    };
    let verified = shape & 0xc0 != 0xc0;
    let insns = insns(b, len);
    let bits: Vec<_> = match is_long {
        true => vec![b.byte(); insns.len()],
        false => (0..len).map(|_| b.byte()).collect(),
    };

    let mut starts = vec![0];
    if verified {
        starts.extend((0..b.below(5)).map(|_| b.below(len)));
        starts.sort_unstable();
        starts.dedup();
    }
    let source = insns.into_iter().zip(bits).zip(0..);
    Source {
        meta: meta(b, len, &starts, verified),
        insns: source
            .map(|((insn, bits), at)| (insn, aux(bits, at)))
            .collect(),
        verified,
    }
}

/// What goes with a program whose subprogs begin at `starts`.
fn meta(b: &mut Bytes<'_>, len: u32, starts: &[u32], verified: bool) -> Meta {
    let shape = b.byte();
    let mut linfo = Vec::new();
    if shape & 1 != 0 {
        // Each subprog begins with one; others are wherever they are.
        let mut offs = starts.to_vec();
        offs.extend((0..b.below(12)).map(|_| b.below(len)));
        offs.sort_unstable();
        offs.dedup();
        linfo = offs.into_iter().map(|off| (off, 1000 + off)).collect();
    }
    let idx = |start| linfo.iter().filter(|l| l.0 < start).count() as u32;
    let mut subs: Vec<_> = (1..)
        .zip(starts)
        .map(|(tag, &start)| Sub {
            start,
            linfo_idx: idx(start),
            tag,
        })
        .collect();
    subs.push(Sub {
        start: len,
        linfo_idx: 0,
        tag: 0,
    });

    let mut arrays = Vec::new();
    for _ in 0..shape >> 1 & 3 {
        let value = |b: &mut Bytes<'_>| match b.byte() {
            255 => DELETED,
            254 => GARBAGE,
            _ => b.below(len + 1),
        };
        arrays.push((0..4).map(|_| value(b)).collect());
    }
    let infos = if shape & 8 != 0 { starts.len() } else { 0 };
    let mut poke = Vec::new();
    if verified && shape & 0x30 == 0x30 {
        poke = (0..b.below(4)).map(|_| b.below(len)).collect();
    }
    Meta {
        linfo,
        subs: if verified { subs } else { Vec::new() },
        func_info: (0..if verified { infos as u32 } else { 0 }).collect(),
        func_info_aux: (0..if verified { infos as u16 } else { 0 }).collect(),
        poke,
        arrays: if verified { arrays } else { Vec::new() },
    }
}
