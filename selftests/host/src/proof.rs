// SPDX-License-Identifier: GPL-2.0

//! Random logs with what the engine makes of them, a line of numbers each, for the model of `proof/`.
//! `proof/Compare.cs` reads them. The cases are small, as the model is slow, and keep the contract
//! that the theorems have: references lead into the program or to its end, at most one prepend of
//! an insn is skipped, and what leads to a body leads back.

use crate::{
    case::Bytes,
    engine::{
        abi::{Insn, InsnAux},
        log::Log,
        reach::Failure,
        reference::REACH,
    },
    host::{self, Host},
    model::{Edit, Kind, Meta, Sub},
    random,
};
use kernel::prelude::Zeroable;
use std::fmt::Write;

/// Numbers of a line.
#[derive(Default)]
struct Line(String);

impl Line {
    fn put(&mut self, number: impl Into<i64>) {
        // A String takes whatever is written.
        let _ = write!(self.0, "{} ", number.into());
    }

    fn list<T: Copy + Into<i64>>(&mut self, numbers: &[T]) {
        self.put(numbers.len() as u32);
        numbers.iter().for_each(|n| self.put(*n));
    }

    /// All but the distance, whether the insn refers to another and by which field, and the distance.
    fn insn(&mut self, insn: &Insn) {
        let (off, imm) = (i64::from(insn.off), i64::from(insn.imm));
        let (tag, form, distance) = match insn.code {
            0x15 => (2 * imm, 1, off),
            0x06 => (2 * off, 2, imm),
            0x85 => (4 * off, 3, imm),
            0x18 => (4 * off + 2, 3, imm),
            code => (2 * imm + i64::from(code == 0xb4), 0, 0),
        };
        self.put(tag);
        self.put(form);
        self.put(distance);
    }

    fn insns(&mut self, insns: &[Insn]) {
        self.put(insns.len() as u32);
        insns.iter().for_each(|i| self.insn(i));
    }

    fn aux(&mut self, aux: &InsnAux) {
        self.put(aux.orig_idx);
        self.put(aux.seen);
        self.put(u32::from(aux.zext_dst));
        self.put(u32::from(aux.indirect_target() != 0));
    }

    fn edit(&mut self, edit: &Edit) {
        self.put(edit.idx);
        let (kind, cnt) = match edit.kind {
            Kind::Prepend { behind } => (u32::from(behind), 0),
            Kind::Replace { to_body } => (2 + u32::from(to_body), 0),
            Kind::Remove { cnt } => (4, cnt),
        };
        self.put(kind);
        self.put(cnt);
        self.insns(&edit.patch);
    }

    fn meta(&mut self, meta: &Meta) {
        let starts: Vec<_> = meta.subs.iter().map(|s| s.start).collect();
        let offs: Vec<_> = meta.linfo.iter().map(|l| l.0).collect();
        let lines: Vec<_> = meta.linfo.iter().map(|l| l.1).collect();
        let tags: Vec<_> = meta.subs.iter().map(|s| u32::from(s.tag)).collect();
        let linfo_idx: Vec<_> = meta.subs.iter().map(|s| s.linfo_idx).collect();
        self.list(&starts);
        self.list(&tags);
        self.list(&linfo_idx);
        self.list(&offs);
        self.list(&lines);
        self.list(&meta.poke);
        self.list(&meta.arrays.concat());
    }
}

fn zero_extends(insn: &Insn) -> bool {
    insn.code == 0xb4
}

/// An insn that refers to `to` from `at`, or to none.
fn insn(b: &mut Bytes<'_>, at: u32, to: i64) -> Insn {
    let mark = b.byte();
    let distance = to - i64::from(at) - 1;
    let mut insn = Insn {
        code: [0x15, 0x15, 0x06, 0x85, 0x18, 0xb4, 0xb7][usize::from(b.byte() % 7)],
        ..Insn::default()
    };
    match insn.code {
        // A case is not so long that a distance would not fit.
        0x15 => (insn.off, insn.imm) = (distance as i16, mark.into()),
        0xb4 | 0xb7 => insn.imm = mark.into(),
        _ => (insn.off, insn.imm) = (mark.into(), distance as i32),
    }
    match insn.code {
        0x85 => insn.set_src_reg(1),
        0x18 => insn.set_src_reg(4),
        _ => {}
    }
    insn
}

fn patch(b: &mut Bytes<'_>, len: u32, idx: u32, kind: Kind, most: u32) -> Edit {
    let cnt = 1 + b.below(most);
    let added = match kind {
        Kind::Prepend { .. } => cnt,
        _ => cnt - 1,
    };
    let leads_back = kind == Kind::Replace { to_body: true };
    let insns = (0..cnt).map(|k| {
        let outside = b.below(if leads_back { idx.max(1) } else { len + 1 });
        let to = match (b.byte() % 2, outside) {
            (0, _) => idx + b.below(added + 1),
            (_, old) if old == idx => idx,
            (_, old) if old > idx => old + added,
            (_, old) => old,
        };
        insn(b, idx + k, to.into())
    });
    Edit {
        idx,
        kind,
        patch: insns.collect(),
    }
}

/// The edits; patches have `most` insns at most.
fn edits(b: &mut Bytes<'_>, len: u32, removes: bool, most: u32) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut idx = b.below(4);
    while idx < len && edits.len() < 6 {
        if removes {
            let cnt = (1 + b.below(4)).min(len - idx);
            edits.push(Edit {
                idx,
                kind: Kind::Remove { cnt },
                patch: Vec::new(),
            });
            idx += cnt + b.below(4);
            continue;
        }
        let shape = b.byte();
        for behind in [shape & 1 != 0, false] {
            if shape & 6 != 0 || behind {
                edits.push(patch(b, len, idx, Kind::Prepend { behind }, most));
            }
        }
        if shape & 6 == 0 || shape & 8 != 0 {
            let to_body = shape & 16 != 0;
            edits.push(patch(b, len, idx, Kind::Replace { to_body }, most));
        }
        idx += 1 + b.below(4);
    }
    edits
}

fn meta(b: &mut Bytes<'_>, len: u32, removes: bool) -> Meta {
    let ascending = |b: &mut Bytes<'_>| {
        let mut values = vec![0];
        values.extend((0..b.below(4)).map(|_| b.below(len)));
        values.sort_unstable();
        values.dedup();
        values
    };
    let starts = ascending(b);
    let lines = ascending(b);
    let mut subs: Vec<_> = (0..)
        .zip(starts)
        .map(|(tag, start)| Sub {
            start,
            linfo_idx: lines.partition_point(|off| *off < start) as u32,
            tag,
        })
        .collect();
    // As in C, it has none.
    subs.push(Sub {
        start: len,
        linfo_idx: 0,
        tag: subs.len() as u16,
    });
    let some = |b: &mut Bytes<'_>, n, below| (0..n).map(|_| b.below(below)).collect();
    Meta {
        linfo: lines.into_iter().map(|off| (off, off + 100)).collect(),
        subs,
        func_info: Vec::new(),
        func_info_aux: Vec::new(),
        poke: some(b, if removes { 0 } else { 2 }, len),
        arrays: vec![some(b, 3, len + 1)],
    }
}

/// Returns the line of case number `seed`: what there is, the edits, and what the engine makes of it.
pub fn line(seed: u64) -> String {
    // Enough for long cases.
    let bytes: Vec<_> = (0..4).flat_map(|i| random::bytes(4 * seed + i)).collect();
    let b = &mut Bytes::new(&bytes);
    let removes = b.byte().is_multiple_of(4);
    // Some so long that jumps are too far, for 8 bits.
    let is_long = b.byte().is_multiple_of(8);
    let len = match is_long {
        true => 64 + b.below(48),
        false => 1 + b.below(12),
    };
    let aux = |b: &mut Bytes<'_>, at: u32| {
        let bits = b.byte();
        let mut aux = InsnAux {
            orig_idx: at + 1,
            seen: u32::from(bits % 3),
            zext_dst: bits & 16 != 0,
            ..Zeroable::zeroed()
        };
        aux.set_indirect_target(u32::from(bits & 32 != 0));
        aux
    };
    let source: Vec<_> = (0..len)
        .map(|at| {
            let to = b.below(len + 1);
            (insn(b, at, to.into()), aux(b, at))
        })
        .collect();
    let meta = meta(b, len, removes);
    let edits = edits(b, len, removes, if is_long { 40 } else { 3 });

    let mut line = Line::default();
    line.put(REACH);
    line.insns(&source.iter().map(|s| s.0).collect::<Vec<_>>());
    source.iter().for_each(|s| line.aux(&s.1));
    line.meta(&meta);
    line.put(edits.len() as u32);
    edits.iter().for_each(|e| line.edit(e));

    let mut log = Log::new(len);
    for edit in &edits {
        host::record(&mut log, edit).expect("an edit of the contract");
    }
    let mut host = Host::new(&source, &meta, true, zero_extends);
    match host.session(&log) {
        Ok(()) => {
            line.put(-1);
            line.insns(&host.insns);
            let entries = host.aux().unwrap_or_default();
            entries.iter().for_each(|a| line.aux(a));
            line.meta(&host.meta());
        }
        Err(Failure::TooFar(far)) => line.put(far.blamed),
        Err(Failure::Other(error)) => panic!("{error:?}"),
    }
    line.0
}
