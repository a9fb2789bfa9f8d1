// SPDX-License-Identifier: GPL-2.0

//! The edits of a log, done one by one in record order as a pass does them without a session.
//!
//! A pass then knows where insns are, and what jumps look like, when it makes a patch. A log has
//! indices and distances of the program that the session began with instead, so both are turned
//! into what the pass would have seen.
//!
//! Where the kernel's own functions are known to be wrong, the outcome is put right at once, and
//! counted: see "Where the result differs" in Documentation/design.md.

use super::shadow::{
    Refused,
    Shadow, //
};
use crate::{
    abi::{
        self,
        Array,
        Insn, //
    },
    jumps::{
        self,
        Reference, //
    },
    log::{
        Edit,
        Kind,
        Log, //
    },
    stats::STATS,
};
use kernel::prelude::*;

/// How often what is known to be wrong was put right.
#[derive(Default)]
pub(crate) struct Known {
    backward: u64,
    gotox: u64,
    poke: u64,
}

impl Known {
    /// Adds to the module's counters.
    pub(crate) fn count(&self) {
        STATS.verify_known_backward.add(self.backward);
        STATS.verify_known_gotox.add(self.gotox);
        STATS.verify_known_poke.add(self.poke);
    }
}

/// An edit that was not done.
pub(crate) struct Stopped {
    pub(crate) why: Refused,
    /// Insn index of the edit, when the session began.
    pub(crate) idx: u32,
}

/// Where the insns of the program that the session began with are by now.
struct Places {
    /// Of insn `i`, with what is in front of it; one more for the end. A removed insn is where the
    /// next one is.
    start: Array<u32>,
    /// How many insns are in front of insn `i`.
    prefix: Array<u32>,
    /// How many of them jumps skip.
    skip: Array<u32>,
}

impl Places {
    fn new(len: u32) -> Result<Self> {
        let mut start = abi::with_capacity(len as usize + 1)?;
        for idx in 0..=len {
            abi::push(&mut start, idx)?;
        }
        Ok(Self {
            start,
            prefix: abi::zeroed(len as usize + 1)?,
            skip: abi::zeroed(len as usize + 1)?,
        })
    }

    /// Where insn `idx` itself is.
    fn body(&self, idx: u32) -> u32 {
        self.start[idx as usize] + self.prefix[idx as usize]
    }

    fn shift(&mut self, from: u32, by: i64) {
        for place in &mut self.start[from as usize..] {
            // Places are where insns are, and no more than 2^31.
            *place = (i64::from(*place) + by) as u32;
        }
    }

    /// Where a reference to insn `target` leads.
    fn land(&self, target: i64, is_jump: bool, to_body: bool) -> i64 {
        let last = self.start.len() as i64 - 1;
        if target < 0 || target > last {
            return target - last + i64::from(self.start[last as usize]);
        }
        let i = target as usize;
        let behind = match (to_body, is_jump) {
            (true, _) => self.prefix[i],
            (false, true) => self.skip[i],
            (false, false) => 0,
        };
        i64::from(self.start[i] + behind)
    }
}

/// Does the edits of `log` on `shadow`.
pub(crate) fn replay(shadow: &mut Shadow, log: &Log) -> Result<Known, Stopped> {
    let no_memory = |_| Stopped {
        why: Refused::Memory,
        idx: 0,
    };
    let mut places = Places::new(log.program_len()).map_err(no_memory)?;
    let mut known = Known::default();
    let mut patch = Array::new();
    for edit in log.edits() {
        let stopped = |why| Stopped { why, idx: edit.idx };
        match edit.kind {
            Kind::Remove => {
                let at = places.start[edit.idx as usize];
                shadow.remove(at, edit.cnt).map_err(stopped)?;
                for idx in edit.idx..edit.end() {
                    places.start[idx as usize] = at;
                }
                places.shift(edit.end(), -i64::from(edit.cnt));
            }
            _ => {
                patch.clear();
                abi::extend(&mut patch, log.insns(edit)).map_err(no_memory)?;
                insert(shadow, &mut places, edit, &mut patch, &mut known).map_err(stopped)?;
            }
        }
    }
    Ok(known)
}

/// Does an edit that brings `patch` along.
fn insert(
    shadow: &mut Shadow,
    places: &mut Places,
    edit: &Edit,
    patch: &mut Array<Insn>,
    known: &mut Known,
) -> Result<(), Refused> {
    let at = places.body(edit.idx);
    let added = match edit.kind {
        Kind::Prepend => edit.cnt,
        _ => edit.cnt - 1,
    };
    aim(places, edit, at, added, patch)?;

    if edit.kind == Kind::Prepend {
        // The pass copies the insn that it finds.
        let mut insn = shadow.target.insns()[at as usize];
        known.backward += u64::from(pull_back(&mut insn, added)?);
        abi::push(patch, insn).map_err(|_| Refused::Memory)?;
    }
    shadow.patch(at, patch)?;

    if edit.kind == Kind::Prepend {
        for desc in shadow.poke().iter_mut().filter(|d| d.insn_idx == at) {
            desc.insn_idx += added;
            known.poke += 1;
        }
        if u32::from(edit.flags) & abi::F_JUMPS_BEHIND != 0 {
            known.gotox += shadow.jump_behind(at, added)?;
            places.skip[edit.idx as usize] = places.prefix[edit.idx as usize] + added;
        }
        places.prefix[edit.idx as usize] += added;
    }
    places.shift(edit.idx + 1, added.into());
    Ok(())
}

/// Lets the jumps out of `patch`, which will be at `at` and add `added` insns, lead to where their
/// targets are by now.
fn aim(
    places: &Places,
    edit: &Edit,
    at: u32,
    added: u32,
    patch: &mut [Insn],
) -> Result<(), Refused> {
    let to_body = u32::from(edit.flags) & abi::F_TO_BODY != 0;
    for (k, insn) in (0..).zip(patch) {
        let Some(r) = Reference::of(insn) else {
            continue;
        };
        let Some(target) = jumps::target(edit, k, r.distance(insn)) else {
            continue;
        };
        let mut to = places.land(target, r.is_jump, to_body);
        if target > i64::from(edit.idx) {
            to += i64::from(added);
        }
        let distance = to - i64::from(at + k) - 1;
        if !r.fits(distance) {
            return Err(Refused::Range);
        }
        r.set(insn, distance);
    }
    Ok(())
}

/// Puts right the reference of an insn that is about to be copied behind `added` others: to what is
/// in front of it, it is not adjusted. Returns whether that was so.
fn pull_back(insn: &mut Insn, added: u32) -> Result<bool, Refused> {
    let Some(r) = Reference::of(insn) else {
        return Ok(false);
    };
    let distance = r.distance(insn);
    // A jump to itself goes on to be one.
    if distance >= 0 || (distance == -1 && r.is_jump) {
        return Ok(false);
    }
    let distance = distance - i64::from(added);
    if !r.fits(distance) {
        return Err(Refused::Range);
    }
    r.set(insn, distance);
    Ok(true)
}
