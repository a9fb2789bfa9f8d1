// SPDX-License-Identifier: GPL-2.0

//! Does a log with relaxed jumps mean what its pass recorded?
//!
//! The kernel's own functions do the edits of the new log, so that they would do a wrong one as well.
//! Here both logs are compared, patch by patch: each insn has to be there, as it was or in a relaxed
//! form, and to refer to the same. Nothing is shared with the engine but the logs.

use super::decode::{
    are_opposite,
    key,
    Refers, //
};
use crate::engine::{
    abi::{
        self,
        Array,
        Insn, //
    },
    log::{
        Edit,
        Kind,
        Log, //
    }, //
};
use kernel::prelude::*;

const GOTO: u8 = 0x05;
const GOTOL: u8 = 0x06;

/// Returns the first old insn, of the program `insns`, whose edits in `longer` do something else than
/// in `log`.
///
/// # Errors
///
/// `ENOMEM`
pub(super) fn first_difference(insns: &[Insn], log: &Log, longer: &Log) -> Result<Option<u32>> {
    let mut recorded = log.edits().iter().peekable();
    for edit in longer.edits() {
        let patch = longer.patch(edit);
        let same = match recorded.next_if(|e| e.idx == edit.idx && e.kind == edit.kind) {
            Some(old) => same_patch(log.patch(old), patch, edit)?,
            // A jump that stayed.
            None => {
                let jump = &insns[edit.idx as usize..][..1];
                edit.kind == Kind::Replace && same_patch(jump, patch, edit)?
            }
        };
        if !same {
            return Ok(Some(edit.idx));
        }
    }
    Ok(recorded.next().map(|edit| edit.idx))
}

/// Does `new` do as the patch of `edit` what `old` did?
fn same_patch(old: &[Insn], new: &[Insn], edit: &Edit) -> Result<bool> {
    // Where each old insn begins, and the end.
    let mut places = Array::new();
    let mut at = 0;
    for insn in old {
        abi::push(&mut places, at)?;
        match form_len(insn, &new[at.min(new.len())..]) {
            Some(len) => at += len,
            None => return Ok(false),
        }
    }
    abi::push(&mut places, at)?;

    let same_target = |k: usize| {
        let Some(refers) = Refers::of(&old[k]) else {
            return true;
        };
        let to = Target::of(k as i64 + 1 + refers.distance(&old[k]), old.len(), edit);
        // The last insn of its form is the one that refers.
        let last = places[k + 1] - 1;
        let Some(refers) = Refers::of(&new[last]) else {
            return false;
        };
        let now = Target::of(
            last as i64 + 1 + refers.distance(&new[last]),
            new.len(),
            edit,
        );
        match (to, now) {
            (Target::Inside(to), Target::Inside(now)) => places[to] == now,
            (Target::Old(to), Target::Old(now)) => to == now,
            _ => false,
        }
    };
    Ok(at == new.len() && (0..old.len()).all(same_target))
}

/// What an insn of a patch refers to.
enum Target {
    /// An insn of the patch, or what stands right behind it for the same insn.
    Inside(usize),
    /// An insn of the program.
    Old(i64),
}

impl Target {
    /// Returns what is `to` insns behind the first one of the patch of `edit`, of `len` insns.
    fn of(to: i64, len: usize, edit: &Edit) -> Self {
        let idx = i64::from(edit.idx);
        // Insns that stand for the old one.
        let group = len as i64 + i64::from(edit.prepends());
        match usize::try_from(to) {
            Err(_) => Self::Old(idx + to),
            Ok(inside) if to < group => Self::Inside(inside),
            Ok(_) => Self::Old(idx + 1 + (to - group)),
        }
    }
}

/// Returns how many of the first insns of `new` are `insn` or its relaxed form. `None` if neither.
fn form_len(insn: &Insn, new: &[Insn]) -> Option<usize> {
    let first = new.first()?;
    let refers = Refers::of(insn);
    // All but the distance.
    let rest = |i: &Insn| match refers {
        Some(Refers::JumpByOff) => (i.dst_reg(), i.src_reg(), 0, i.imm),
        Some(_) => (i.dst_reg(), i.src_reg(), i.off, 0),
        None => (i.dst_reg(), i.src_reg(), i.off, i.imm),
    };
    let is_gotol = |at: usize| new.get(at).is_some_and(|i| (i.code, i.off) == (GOTOL, 0));
    let is_over = first.off == 1 && insn.off != 1 && rest(first) == rest(insn);

    if refers == Some(Refers::JumpByOff) {
        if insn.code == GOTO && is_gotol(0) {
            let same = (first.dst_reg(), first.src_reg()) == (insn.dst_reg(), insn.src_reg());
            return same.then_some(1);
        }
        if is_over && is_opposite(first.code, insn.code) && is_gotol(1) {
            return Some(2);
        }
        let goto = |i: &Insn| key(i) == (GOTO, 0, 0, 1, 0);
        if is_over && first.code == insn.code && new.get(1).is_some_and(goto) && is_gotol(2) {
            return Some(3);
        }
    }
    (first.code == insn.code && rest(first) == rest(insn)).then_some(1)
}

/// Is one of two jumps taken if and only if the other one is not?
fn is_opposite(a: u8, b: u8) -> bool {
    a & 0x0f == b & 0x0f && are_opposite(a >> 4, b >> 4)
}
