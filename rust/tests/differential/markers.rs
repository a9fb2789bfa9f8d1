// SPDX-License-Identifier: GPL-2.0

//! Each insn carries a number of its own, so that one can tell which insn a reference reaches,
//! whatever became of indices.

use super::programs::is_second;
use crate::{
    engine::{
        abi::Insn,
        log::{
            Edit,
            Kind,
            Log, //
        }, //
    },
    verify::decode::Refers, //
};
use kernel::prelude::*;

/// Markers are 16 bits wide, and so this many at most, and not 0.
pub(super) const MAX: u32 = u16::MAX as u32;

/// Is `imm` the distance to another insn?
fn imm_is_distance(insn: &Insn) -> bool {
    matches!(
        Refers::of(insn),
        Some(Refers::JumpByImm | Refers::SubprogByImm)
    )
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

/// The removal that takes old insn `idx` away, if there is one.
fn removal_of(log: &Log, idx: u32) -> Option<&Edit> {
    let edits = log.edits();
    let last = edits[..edits.partition_point(|e| e.idx <= idx)].last()?;
    (last.removes() && idx < last.end()).then_some(last)
}

/// The edits of old insn `idx`.
fn edits_of(log: &Log, idx: u32) -> &[Edit] {
    let edits = log.edits();
    let first = edits.partition_point(|e| e.idx < idx);
    let last = edits.partition_point(|e| e.idx <= idx);
    &edits[first..last]
}

/// The old insn that a reference to old insn `target` means by now. `None` if that insn is inside
/// of a run that goes as one.
fn next_kept(log: &Log, mut target: u32) -> Option<u32> {
    while let Some(run) = removal_of(log, target) {
        if target != run.idx {
            return None;
        }
        target = run.end();
    }
    Some(target)
}

/// How a reference lands on what stands for an old insn.
#[derive(Clone, Copy)]
enum Landing {
    Call,
    Jump,
    Body,
}

/// The marker of the insn of `new` that a reference to old insn `target` has to reach. `None` if
/// that is not to be told: all behind it is gone, or it is inside of a run that goes as one.
fn wanted(old: &[Insn], log: &Log, target: i64, landing: Landing) -> Option<u32> {
    let target = next_kept(log, u32::try_from(target).ok()?)?;
    let insn = old.get(target as usize)?;
    let edits = edits_of(log, target);
    let skipped = match landing {
        Landing::Call => None,
        Landing::Jump => edits.iter().rposition(|e| e.kind == Kind::PrependSkipped),
        Landing::Body => edits.iter().rposition(Edit::prepends),
    };
    Some(match edits.get(skipped.map_or(0, |i| i + 1)) {
        Some(edit) => get(&log.patch(edit)[0]),
        None => get(insn),
    })
}

/// Where the marked insns of a program are.
struct Places<'a> {
    insns: &'a [Insn],
    /// Index of the insn with a marker, plus one.
    at: KVVec<u32>,
}

impl<'a> Places<'a> {
    fn new(insns: &'a [Insn]) -> Result<Self> {
        let mut at = KVVec::<u32>::zeroed(MAX as usize + 1, GFP_KERNEL)?;
        for (insn, idx) in insns.iter().zip(1..) {
            at[get(insn) as usize & MAX as usize] = idx;
        }
        Ok(Self { insns, at })
    }

    /// Does the insn marked as `insn` is reach the one marked `wanted`?
    fn reaches(&self, insn: &Insn, wanted: Option<u32>) -> bool {
        let Some(wanted) = wanted else {
            return true;
        };
        let Some(idx) = self.at[get(insn) as usize].checked_sub(1) else {
            return false;
        };
        let insn = &self.insns[idx as usize];
        let Some(refers) = Refers::of(insn) else {
            return false;
        };
        let to = i64::from(idx) + 1 + refers.distance(insn);
        let reached = usize::try_from(to).ok().and_then(|to| self.insns.get(to));
        reached.map(get) == Some(wanted)
    }
}

/// Checks that each insn of `old` that stays with the edits of `log`, and each that these bring
/// along, refers in `new` to what it has to.
pub(super) fn references_reach(old: &[Insn], new: &[Insn], log: &Log) -> Result<bool> {
    let places = Places::new(new)?;
    Ok(kept_reach(old, log, &places) && patches_reach(old, log, &places))
}

fn kept_reach(old: &[Insn], log: &Log, places: &Places<'_>) -> bool {
    (0u32..).zip(old).all(|(idx, insn)| {
        let stays = match edits_of(log, idx).last() {
            Some(edit) => edit.prepends(),
            None => removal_of(log, idx).is_none(),
        };
        let Some(refers) = Refers::of(insn).filter(|_| stays && !is_second(old, idx)) else {
            return true;
        };
        let target = i64::from(idx) + 1 + refers.distance(insn);
        let is_itself = u32::try_from(target).is_ok_and(|t| next_kept(log, t) == Some(idx));
        let marker = match refers.is_jump() {
            // It goes on to be one.
            true if is_itself => Some(get(insn)),
            true => wanted(old, log, target, Landing::Jump),
            false => wanted(old, log, target, Landing::Call),
        };
        places.reaches(insn, marker)
    })
}

fn patches_reach(old: &[Insn], log: &Log, places: &Places<'_>) -> bool {
    log.edits().iter().all(|edit| {
        let patch = log.patch(edit);
        (1i64..).zip(patch).all(|(behind, insn)| {
            let Some(refers) = Refers::of(insn) else {
                return true;
            };
            // From the first insn of the patch.
            let to = behind + refers.distance(insn);
            let marker = match usize::try_from(to) {
                Ok(to) if to < patch.len() => Some(get(&patch[to])),
                // What stands behind it for the same insn.
                Ok(to) if to == patch.len() && edit.prepends() => {
                    let edits = edits_of(log, edit.idx);
                    let next = edits.iter().skip_while(|e| !core::ptr::eq(*e, edit)).nth(1);
                    Some(match next {
                        Some(next) => get(&log.patch(next)[0]),
                        None => get(&old[edit.idx as usize]),
                    })
                }
                _ => {
                    let added = i64::from(edit.len()) - i64::from(!edit.prepends());
                    let target = i64::from(edit.idx) + if to < 0 { to } else { to - added };
                    let landing = match (edit.kind, refers.is_jump()) {
                        (Kind::ReplaceToBody, _) => Landing::Body,
                        (_, true) => Landing::Jump,
                        (_, false) => Landing::Call,
                    };
                    wanted(old, log, target, landing)
                }
            };
            places.reaches(insn, marker)
        })
    })
}
