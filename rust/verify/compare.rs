// SPDX-License-Identifier: GPL-2.0

//! The first place where two programs differ, field by field.

use super::shadow::Shadow;
use crate::{
    abi::{
        Insn,
        InsnAux, //
    },
    view::{
        bytes,
        State,
        Target,
        VerifiedState, //
    },
};
use core::mem::offset_of;
use kernel::prelude::*;

/// Where two programs differ.
pub(crate) struct Difference {
    /// What differs.
    pub(crate) what: &'static CStr,
    /// Index into it, of insns if it has to do with them.
    pub(crate) idx: usize,
    /// What an insn array has there, with us and with stock.
    pub(crate) xlated_off: Option<(u32, u32)>,
}

fn at(what: &'static CStr) -> impl Fn(usize) -> Difference {
    move |idx| Difference {
        what,
        idx,
        xlated_off: None,
    }
}

impl Difference {
    /// One has applied the edits, the other has refused them.
    pub(crate) fn verdict() -> Self {
        at(c"verdict")(0)
    }
}

/// Index of the first item in which `a` and `b` differ, the length of the shorter one included.
fn differ<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> Option<usize> {
    let n = a.len().min(b.len());
    (0..n)
        .find(|&i| !same(&a[i], &b[i]))
        .or((a.len() != b.len()).then_some(n))
}

fn same_insn(a: &Insn, b: &Insn) -> bool {
    let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
    key(a) == key(b)
}

fn same_bytes<T: Zeroable>(a: &T, b: &T) -> bool {
    bytes(a) == bytes(b)
}

/// Insns that patches added have `seen` 0 or 1 with us, as nobody reads more of it.
fn same_aux(a: &InsnAux, b: &InsnAux) -> bool {
    let seen = offset_of!(InsnAux, seen);
    let behind = seen + size_of_val(&a.seen);
    (a.seen != 0) == (b.seen != 0)
        && bytes(a)[..seen] == bytes(b)[..seen]
        && bytes(a)[behind..] == bytes(b)[behind..]
}

/// The first difference between what stands and what the kernel's own functions made of the copy.
pub(crate) fn first_difference(target: &mut Target, shadow: &Shadow) -> Option<Difference> {
    let mut arrays = None;
    target.for_each_insn_array(|i, values| {
        let theirs = shadow.array(i);
        let found = differ(values, theirs, |a, b| {
            (a.orig_off, a.xlated_off) == (b.orig_off, b.xlated_off)
        });
        // Both are copies of one array.
        arrays = arrays.take().or(found.map(|idx| Difference {
            xlated_off: Some((values[idx].xlated_off, theirs[idx].xlated_off)),
            ..at(c"insn array")(idx)
        }));
    });

    let (ours, stock) = (target.state(), shadow.target.state());
    differ_program(&ours, &stock)
        .or_else(|| match (&ours.verified, &stock.verified) {
            (Some(a), Some(b)) => differ_verified(a, b, ours.insns.len()),
            _ => None,
        })
        .or(arrays)
}

fn differ_program(a: &State<'_>, b: &State<'_>) -> Option<Difference> {
    differ(a.insns, b.insns, same_insn)
        .map(at(c"insn"))
        .or_else(|| {
            differ(a.linfo, b.linfo, |a, b| {
                let key = |l: &crate::abi::LineInfo| {
                    (l.insn_off, l.file_name_off, l.line_off, l.line_col)
                };
                key(a) == key(b)
            })
            .map(at(c"line info"))
        })
}

/// Both are about programs of `len` insns.
fn differ_verified(a: &VerifiedState<'_>, b: &VerifiedState<'_>, len: usize) -> Option<Difference> {
    (0..len)
        .find(|&i| !same_aux(a.aux(i), b.aux(i)))
        .map(at(c"aux data"))
        .or_else(|| {
            differ(a.subprogs, b.subprogs, |a, b| a.start == b.start).map(at(c"subprog start"))
        })
        .or_else(|| {
            differ(a.subprogs, b.subprogs, |a, b| a.linfo_idx == b.linfo_idx).map(at(c"linfo_idx"))
        })
        .or_else(|| differ(a.subprogs, b.subprogs, same_bytes).map(at(c"subprog")))
        .or_else(|| {
            differ(a.func_info, b.func_info, |a, b| {
                (a.insn_off, a.type_id) == (b.insn_off, b.type_id)
            })
            .map(at(c"func info"))
        })
        .or_else(|| differ(a.func_info_aux, b.func_info_aux, same_bytes).map(at(c"func info aux")))
        .or_else(|| {
            differ(a.poke, b.poke, |a, b| a.insn_idx == b.insn_idx).map(at(c"poke descriptor"))
        })
}
