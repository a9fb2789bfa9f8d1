// SPDX-License-Identifier: GPL-2.0

//! What stands for each accepted insn in the program as it is now.
//!
//! The aux data of an insn goes with the last insn of its group, and has its label. So a group ends at
//! its label and begins behind the one before. A label that is gone is that of a removed insn.

use super::{
    accepted::{
        Accepted,
        Flow,
        BARRIER,
        NONE,
        SECOND,
        SEEN, //
    },
    Fault,
    Judged, //
};
use crate::engine::abi::{
    self,
    Array,
    InsnAux, //
};
use kernel::prelude::*;

pub(super) struct Places {
    /// Of each insn, the accepted one that it stands for; of both halves of a `ld_imm64`, the first.
    owner: Array<u32>,
    /// Of each accepted insn, the first that stands for it, or `NONE`.
    start: Array<u32>,
    /// The last one.
    last: Array<u32>,
    /// Of each accepted insn, the one that a way to it leads to: itself or, if it was a nop, the next that
    /// stays. `NONE` if it was dead, and went.
    resolved: Array<u32>,
    /// The first accepted insn from each on that stays, or `NONE`.
    staying: Array<u32>,
}

impl Places {
    pub(super) fn find(accepted: &Accepted, aux: &[InsnAux], len: u32) -> Judged<Self> {
        let n = accepted.len();
        let mut places = Self {
            owner: abi::zeroed(len as usize)?,
            start: filled(n)?,
            last: filled(n)?,
            resolved: filled(n)?,
            staying: filled(n)?,
        };
        let (mut pos, mut next) = (0, 0);
        for at in 0..len {
            let Some(i) = aux[at as usize].scc.checked_sub(1) else {
                continue;
            };
            if i < next || i >= n {
                return Err(Fault::new(c"order of insns", i, at).into());
            }
            next = i + 1;
            let first = i - u32::from(accepted.has(i, SECOND));
            places.start[i as usize] = pos;
            places.last[i as usize] = at;
            places.owner[pos as usize..=at as usize].fill(first);
            pos = at + 1;
        }
        if pos != len {
            return Err(Fault::new(c"insns that stand for none", NONE, pos).into());
        }
        let mut staying = NONE;
        for i in (0..n).rev() {
            places.resolved[i as usize] = places.resolve(accepted, i)?;
            if places.stays(i) {
                staying = i;
            }
            places.staying[i as usize] = staying;
        }
        Ok(places)
    }

    /// Where does a way to accepted insn `i` lead? All behind it are resolved.
    fn resolve(&self, accepted: &Accepted, i: u32) -> Judged<u32> {
        if self.stays(i) {
            let half = accepted.flow(i) == Flow::Wide && !self.stays(i + 1);
            return match half {
                true => Err(Fault::new(c"half of an insn", i, self.start(i)).into()),
                false => Ok(i),
            };
        }
        if !accepted.has(i, SEEN) || accepted.has(i, SECOND) {
            return Ok(NONE);
        }
        if accepted.has(i, BARRIER) {
            return Err(Fault::new(c"barrier of a nop", i, NONE).into());
        }
        // What the verifier has reached goes only if it does nothing: a jump to what comes next anyway.
        let is_jump = matches!(accepted.flow(i), Flow::Jump | Flow::Branch);
        let ways = accepted.ways(i);
        let is_back = |target| target <= i && accepted.has(target, SEEN);
        let lead = |way: Option<u32>| way.map_or(NONE, |way| self.resolved(way));
        match (lead(ways.next), lead(ways.target)) {
            _ if !is_jump || ways.target.is_some_and(is_back) => {
                Err(Fault::new(c"live insn", i, NONE).into())
            }
            (NONE, to) | (to, NONE) => Ok(to),
            (a, b) if a == b => Ok(a),
            _ => Err(Fault::new(c"live jump", i, NONE).into()),
        }
    }

    /// Does something stand for accepted insn `i`?
    pub(super) fn stays(&self, i: u32) -> bool {
        self.start(i) != NONE
    }

    /// Returns the first accepted insn from `i` on that stays, or `NONE`.
    pub(super) fn staying(&self, i: u32) -> u32 {
        self.staying.get(i as usize).copied().unwrap_or(NONE)
    }

    /// Returns the first insn that stands for accepted insn `i`, or `NONE`.
    pub(super) fn start(&self, i: u32) -> u32 {
        self.start.get(i as usize).copied().unwrap_or(NONE)
    }

    /// Returns the last insn that stands for `i`.
    pub(super) fn last(&self, i: u32) -> u32 {
        self.last.get(i as usize).copied().unwrap_or(NONE)
    }

    /// Returns the accepted insn that `at` stands for, or `NONE` if it is outside of the program.
    pub(super) fn owner(&self, at: u32) -> u32 {
        self.owner.get(at as usize).copied().unwrap_or(NONE)
    }

    /// Returns where a way to accepted insn `i` leads.
    pub(super) fn resolved(&self, i: u32) -> u32 {
        self.resolved.get(i as usize).copied().unwrap_or(NONE)
    }
}

/// Returns an array of `n` times `NONE`.
pub(super) fn filled(n: u32) -> Result<Array<u32>> {
    let mut array = abi::zeroed::<u32>(n as usize)?;
    array.fill(NONE);
    Ok(array)
}
