// SPDX-License-Identifier: GPL-2.0

//! Each insn carries a number of its own, so that one can tell which insn a reference reaches,
//! whatever became of indices.

use super::programs::is_second;
use crate::{
    abi::{
        self,
        Insn, //
    },
    jumps::Reference,
    log::{
        Group,
        Kind,
        Log, //
    },
};
use kernel::prelude::*;

/// Markers are 16 bits wide, and so this many at most, and not 0.
pub(super) const MAX: u32 = u16::MAX as u32;

/// Is `imm` the distance to another insn?
fn imm_is_distance(insn: &Insn) -> bool {
    let is_long = u32::from(insn.code) == abi::JMP32 | abi::JA;
    Reference::of(insn).is_some_and(|r| !r.is_jump || is_long)
}

/// Marks an insn, in the field that its reference does not need.
pub(super) fn set(insn: &mut Insn, marker: u32) {
    if imm_is_distance(insn) {
        insn.off = marker as i16;
    } else {
        insn.imm = marker as i32;
    }
}

fn get(insn: &Insn) -> u32 {
    match imm_is_distance(insn) {
        true => u32::from(insn.off as u16),
        false => insn.imm as u32,
    }
}

/// What insn `idx` refers to, if that is an insn of the program.
fn target(insns: &[Insn], idx: usize) -> Option<(u32, bool)> {
    let r = Reference::of(&insns[idx])?;
    let target = idx as i64 + 1 + r.distance(&insns[idx]);
    let target = u32::try_from(target).ok()?;
    ((target as usize) < insns.len()).then_some((target, r.is_jump))
}

/// The old insn that a reference to old insn `target` means by now. `None` if that insn is inside of a
/// run that goes as one.
fn heir(log: &Log, mut target: u32) -> Option<u32> {
    while let Some(run) = log.removal_of(target) {
        if target != run.idx {
            return None;
        }
        target = run.end();
    }
    Some(target)
}

/// The marker of the insn that a reference to old insn `target` has to reach. `None` if all behind
/// it is gone.
fn expected(insns: &[Insn], log: &Log, target: u32, is_jump: bool) -> Option<u32> {
    let old = insns.get(target as usize)?;
    let Some(group) = log.group_of(target) else {
        return Some(get(old));
    };
    Some(get(&first(log, &group, old, is_jump)))
}

/// The insn of `group`, which stands for `old`, that a reference lands on.
fn first(log: &Log, group: &Group<'_>, old: &Insn, is_jump: bool) -> Insn {
    let skips =
        |kind, flags: u8| kind == Kind::Prepend && u32::from(flags) & abi::F_JUMPS_BEHIND != 0;
    let behind = group
        .edits()
        .iter()
        .rposition(|e| is_jump && skips(e.kind, e.flags))
        .map_or(0, |i| i + 1);
    match group.edits().get(behind) {
        Some(edit) => log.insns(edit)[0],
        None => *old,
    }
}

/// Checks that each insn of `old` that stays with the edits of `log`, which is sorted, refers in
/// `new` to what it referred to.
pub(super) fn references_reach(old: &[Insn], new: &[Insn], log: &Log) -> Result<bool> {
    let mut place = KVVec::<u32>::zeroed(MAX as usize + 1, GFP_KERNEL)?;
    for (insn, idx) in new.iter().zip(1..) {
        place[get(insn) as usize & MAX as usize] = idx;
    }

    for idx in 0..old.len() {
        let stays = match log.group_of(idx as u32) {
            Some(group) => group.keeps(),
            None => log.removal_of(idx as u32).is_none(),
        };
        if !stays || is_second(old, idx as u32) {
            continue;
        }
        let Some((to, is_jump)) = target(old, idx) else {
            continue;
        };
        let at = place[get(&old[idx]) as usize];
        if at == 0 {
            return Ok(false);
        }
        let reached = target(new, at as usize - 1).map(|(to, _)| get(&new[to as usize]));
        // One to itself goes on to be one.
        let wanted = match heir(log, to) {
            Some(to) if to as usize == idx && is_jump => Some(get(&old[idx])),
            Some(to) => expected(old, log, to, is_jump),
            None => None,
        };
        if wanted.is_some() && wanted != reached {
            return Ok(false);
        }
    }
    Ok(true)
}
