// SPDX-License-Identifier: GPL-2.0

//! The first place where two programs differ, field by field.

use super::{
    decode::key,
    shadow::Shadow, //
};
use crate::{
    engine::{
        abi::{
            Insn,
            LineInfo, //
        },
        host::Host,
        Program,
        Verified, //
    },
    view::{
        bytes,
        View, //
    }, //
};
use kernel::prelude::*;

/// Where two programs differ.
pub(crate) struct Difference {
    /// What differs.
    pub(crate) what: &'static CStr,
    /// Index into it, of insns if it has to do with them.
    pub(crate) idx: usize,
    /// What is there, with us and with stock, if it is a position that is kept outside of the
    /// program.
    pub(crate) positions: Option<(u32, u32)>,
}

fn at(what: &'static CStr) -> impl Fn(usize) -> Difference {
    move |idx| Difference {
        what,
        idx,
        positions: None,
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
    key(a) == key(b)
}

fn same_bytes<T: Zeroable>(a: &T, b: &T) -> bool {
    bytes(a) == bytes(b)
}

fn same_linfo(a: &LineInfo, b: &LineInfo) -> bool {
    let key = |l: &LineInfo| (l.insn_off, l.file_name_off, l.line_off, l.line_col);
    key(a) == key(b)
}

/// Returns the first difference between what stands and what the kernel's own functions made of the
/// copy.
pub(crate) fn first_difference(view: &mut View, shadow: &mut Shadow) -> Option<Difference> {
    differ_program(&view.program(0).0, &shadow.view.program(0).0)
        .or_else(|| differ_poke(view, &shadow.view))
        .or_else(|| differ_arrays(view, shadow))
}

fn differ_program(a: &Program<'_>, b: &Program<'_>) -> Option<Difference> {
    differ(a.insns, b.insns, same_insn)
        .map(at(c"insn"))
        .or_else(|| differ(a.linfo, b.linfo, same_linfo).map(at(c"line info")))
        .or_else(|| match (&a.verified, &b.verified) {
            (Some(a), Some(b)) => differ_verified(a, b),
            _ => None,
        })
}

fn differ_verified(a: &Verified<'_>, b: &Verified<'_>) -> Option<Difference> {
    differ(a.aux, b.aux, same_bytes)
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
}

/// Both have as many poke descriptors, as the one is a copy of the other.
fn differ_poke(a: &View, b: &View) -> Option<Difference> {
    let mut idx = 0;
    while let Some(positions) = a.poke(idx).zip(b.poke(idx)) {
        if positions.0 != positions.1 {
            return Some(Difference {
                positions: Some(positions),
                ..at(c"poke descriptor")(idx)
            });
        }
        idx += 1;
    }
    None
}

/// The index is counted over all insn arrays.
fn differ_arrays(view: &mut View, shadow: &Shadow) -> Option<Difference> {
    let mut found = None;
    let mut idx = 0;
    view.host().insn_arrays(&mut |ours| {
        let stock = shadow.arrays().get(idx).copied();
        if stock != Some(ours) && found.is_none() {
            found = Some(Difference {
                positions: stock.map(|stock| (ours, stock)),
                ..at(c"insn array value")(idx)
            });
        }
        idx += 1;
        ours
    });
    found
}
