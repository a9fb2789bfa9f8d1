// SPDX-License-Identifier: GPL-2.0

//! The edits of a log, done one by one as a pass does them without a session.
//!
//! A pass then knows where insns are, and what jumps look like, when it makes a patch. A log has
//! indices and distances of the program that the session began with instead. Both are turned into
//! what the pass would have seen. Nothing here is shared with the engine but the log.

use super::{
    decode::Refers,
    shadow::Shadow, //
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
    },
    reach::{
        Failure,
        TooFar, //
    },
    reference::{
        EXIT,
        JMP, //
    }, //
};
use kernel::prelude::*;

/// Which log is replayed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jumps {
    /// What the pass recorded.
    Recorded,
    /// That, with jumps relaxed.
    Relaxed,
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
        let mut start = Array::new();
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
            // Places are where insns are, and less than 2^31.
            *place = (i64::from(*place) + by) as u32;
        }
    }

    /// Where a reference to old insn `target` leads.
    fn of(&self, target: i64, is_jump: bool, to_body: bool) -> i64 {
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
///
/// # Errors
///
/// That of the first edit which the kernel's own functions do not do, and then it is to blame.
pub(crate) fn replay(shadow: &mut Shadow, log: &Log, jumps: Jumps) -> Result<(), Failure> {
    if jumps == Jumps::Relaxed {
        clear_the_way(shadow, log)?;
    }
    let mut places = Places::new(log.program_len())?;
    let mut patch = Array::new();
    for edit in log.edits() {
        step(shadow, &mut places, edit, log.patch(edit), &mut patch)?;
    }
    Ok(())
}

/// Puts an insn that refers to nothing in place of each jump that will be replaced.
///
/// A jump that is to be relaxed, or another one that will be replaced, may become too far before it
/// is its turn. Once these are gone, each edit can be done, as all jumps fit in the end and come no
/// closer. What replaces the insn tells where it leads, so that nothing else is lost.
fn clear_the_way(shadow: &mut Shadow, log: &Log) -> Result<(), Failure> {
    let stand_in = [Insn {
        code: (JMP | EXIT) as u8,
        ..Insn::default()
    }];
    for edit in log.edits().iter().filter(|e| !e.prepends()) {
        let insn = &shadow.view.insns()[edit.idx as usize];
        if Refers::of(insn).is_some_and(|r| r.is_jump()) {
            shadow.replace(edit.idx, edit.idx, &stand_in)?;
        }
    }
    Ok(())
}

/// Does one edit. `aimed` is memory.
fn step(
    shadow: &mut Shadow,
    places: &mut Places,
    edit: &Edit,
    patch: &[Insn],
    aimed: &mut Array<Insn>,
) -> Result<(), Failure> {
    let (idx, at) = (edit.idx, places.body(edit.idx));
    aimed.clear();
    abi::extend(aimed, patch)?;
    aim(places, edit, at, aimed)?;
    match edit.kind {
        Kind::Remove => {
            let cnt = edit.end() - idx;
            shadow.remove(idx, at, cnt)?;
            for idx in idx..edit.end() {
                places.start[idx as usize] = at;
            }
            places.shift(edit.end(), -i64::from(cnt));
        }
        Kind::Replace | Kind::ReplaceToBody => {
            shadow.replace(idx, at, aimed)?;
            places.shift(edit.end(), i64::from(edit.len()) - 1);
        }
        Kind::Prepend | Kind::PrependSkipped => {
            let skipped = edit.kind == Kind::PrependSkipped;
            shadow.prepend(idx, at, aimed, skipped)?;
            places.prefix[idx as usize] += edit.len();
            if skipped {
                places.skip[idx as usize] = places.prefix[idx as usize];
            }
            places.shift(edit.end(), edit.len().into());
        }
    }
    Ok(())
}

/// Lets the references out of `patch`, the one of `edit`, which will be at `at`, lead to where
/// their targets are by now.
///
/// A reference leads out of the patch if it leads in front of the first insn, or behind the last
/// one: of the patch or, if the old insn stays, of both.
fn aim(places: &Places, edit: &Edit, at: u32, patch: &mut [Insn]) -> Result<(), Failure> {
    let len = patch.len() as i64;
    // A removal has no patch.
    let group_len = len + i64::from(edit.prepends());
    let to_body = edit.kind == Kind::ReplaceToBody;
    for (k, insn) in (0i64..).zip(patch) {
        let Some(refers) = Refers::of(insn) else {
            continue;
        };
        // From the first insn of the patch.
        let to = k + 1 + refers.distance(insn);
        let idx = i64::from(edit.idx);
        let place = if to < 0 {
            places.of(idx + to, refers.is_jump(), to_body)
        } else if to >= group_len {
            // Insns behind the patch have not been moved by it yet.
            let target = idx + 1 + (to - group_len);
            places.of(target, refers.is_jump(), to_body) + group_len - 1
        } else {
            continue;
        };
        if !refers.set(insn, place - (i64::from(at) + k + 1)) {
            return Err(Failure::TooFar(TooFar {
                jump: None,
                blamed: edit.idx,
            }));
        }
    }
    Ok(())
}
