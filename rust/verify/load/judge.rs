// SPDX-License-Identifier: GPL-2.0

//! Jumps, calls and barriers of what stands for each accepted insn.

use super::{
    accepted::{
        is_barrier,
        is_plain_store,
        is_slot,
        Accepted,
        Flow,
        BARRIER,
        BARRIER_BEHIND,
        NONE,
        SECOND,
        SEEN, //
    },
    flow::{
        Exits,
        Known,
        Walk, //
    },
    places::{
        filled,
        Places, //
    },
    Fault,
    Judged, //
};
use crate::{
    engine::abi::{
        Array,
        Insn,
        Subprog, //
    },
    verify::decode::{
        key,
        Refers, //
    }, //
};
use core::ffi::CStr;

pub(super) struct Judge<'a> {
    pub(super) accepted: &'a Accepted,
    pub(super) insns: &'a [Insn],
    pub(super) places: &'a Places,
    prologue: u32,
    walk: Walk<'a>,
    /// Where jumps to the first insn of a subprog lead: behind what was put in front of it, all to the same
    /// insn. `NONE` until there is one.
    landing: Array<u32>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        accepted: &'a Accepted,
        insns: &'a [Insn],
        places: &'a Places,
        prologue: u32,
    ) -> Judged<Self> {
        Ok(Self {
            accepted,
            insns,
            places,
            prologue,
            walk: Walk::new(insns, places)?,
            landing: filled(accepted.len())?,
        })
    }

    /// Judges the references of what stands for accepted insn `i`, if that is reached.
    pub(super) fn references(&mut self, i: u32, subprogs: &[Subprog]) -> Judged {
        let (accepted, places) = (self.accepted, self.places);
        if !accepted.has(i, SEEN) || accepted.has(i, SECOND) || !places.stays(i) {
            return Ok(());
        }
        let exits = self.walk.from(places.start(i), None, false)?;
        match accepted.flow(i) {
            Flow::Exit => self.leaves_by_exit(i, &exits)?,
            _ => self.leads_on(i, &exits)?,
        }
        self.calls(i, subprogs)
    }

    /// An exit returns, or goes to the epilogue: to what stands for another exit of the main program.
    fn leaves_by_exit(&self, i: u32, exits: &Exits) -> Judged {
        let mut leaves = exits.returns;
        for way in exits.ways() {
            let to = self.places.owner(way.to);
            let is_epilogue = to != NONE
                && self.accepted.flow(to) == Flow::Exit
                && self.accepted.start_of(to) == self.accepted.start_of(i);
            if way.falls || !is_epilogue {
                return self.fault(c"way of an exit", i);
            }
            leaves = true;
        }
        match leaves {
            true => Ok(()),
            false => self.fault(c"exit", i),
        }
    }

    /// All else leads to the same insns as it did, and to no other.
    fn leads_on(&mut self, i: u32, exits: &Exits) -> Judged {
        let (accepted, places) = (self.accepted, self.places);
        let ways = accepted.ways(i);
        let flow = accepted.flow(i);
        let lead = |way: Option<u32>| way.map_or(NONE, |way| places.resolved(way));
        let (next, target) = (lead(ways.next), lead(ways.target));
        // A jump to itself does not leave.
        let mut found = [next == NONE, target == NONE || target == i];
        for way in exits.ways() {
            let to = places.owner(way.to);
            if to != NONE && (to == next || to == target) {
                self.lands(to, way.to, i)?;
                found[0] |= to == next;
                found[1] |= to == target;
            } else if !(way.falls && flow == Flow::Call && next == NONE) {
                // A call that never returns is followed by whatever comes next.
                return self.fault(c"way to another insn", i);
            }
        }
        if flow == Flow::Indirect && !exits.indirect {
            return self.fault(c"indirect jump", i);
        }
        if found != [true, true] {
            return self.fault(c"way that is lost", i);
        }
        if flow == Flow::Branch && next != NONE && target != NONE && next != target {
            self.branches(i, false, next)?;
            self.branches(i, true, target)?;
        }
        Ok(())
    }

    /// The jump of insn `i` leads to `to` if it is `taken`, or if it is not.
    fn branches(&mut self, i: u32, taken: bool, to: u32) -> Judged {
        let known = Known {
            op: self.accepted.insns[i as usize].code >> 4,
            taken,
        };
        let exits = self.walk.from(self.places.start(i), Some(known), false)?;
        let mut ways = exits.ways();
        if ways.any(|way| self.places.owner(way.to) != to) {
            return self.fault(c"sides of a jump", i);
        }
        Ok(())
    }

    /// A way from what stands for insn `from` comes to insn `at`, which stands for `i`: it has to be the
    /// first that does, or the one behind what was put in front of a subprog.
    pub(super) fn lands(&mut self, i: u32, at: u32, from: u32) -> Judged {
        let first = self.places.start(i);
        if !self.is_start(i) {
            return match at == first {
                true => Ok(()),
                false => self.fault(c"way into a patch", from),
            };
        }
        let insn = &self.insns[at as usize];
        let is_own = at == self.places.last(i) || key(insn) == key(self.old(i));
        if is_slot(insn) && !is_own || at < self.prologue {
            return self.fault(c"way in front of a subprog", from);
        }
        let known = &mut self.landing[i as usize];
        if *known == NONE {
            *known = at;
        }
        match *known == at {
            true => Ok(()),
            false => self.fault(c"ways to different insns", from),
        }
    }

    /// Calls lead to the start of the subprog that they called, addresses too.
    fn calls(&self, i: u32, subprogs: &[Subprog]) -> Judged {
        let old = self.old(i);
        let was = Refers::of(old).filter(|r| !r.is_jump());
        let callee = was.map(|r| i64::from(i) + 1 + r.distance(old));
        let mut found = false;
        let end = self.last_of(i);
        for at in self.places.start(i)..=end {
            let insn = &self.insns[at as usize];
            let Some(r) = Refers::of(insn).filter(|r| !r.is_jump()) else {
                continue;
            };
            let to = i64::from(at) + 1 + r.distance(insn);
            let is_right = match callee.and_then(|old| u32::try_from(old).ok()) {
                Some(old) => match self.places.resolved(old) {
                    // A callback that is never called.
                    NONE => true,
                    first => i64::from(self.places.start(first)) == to,
                },
                None => subprogs
                    .binary_search_by_key(&to, |s| s.start.into())
                    .is_ok(),
            };
            if !is_right {
                return self.fault(c"call", i);
            }
            found = true;
        }
        match found || was.is_none() {
            true => Ok(()),
            false => self.fault(c"call that is lost", i),
        }
    }

    /// Judges the barriers of accepted insn `i`: on each way to it, and behind it.
    pub(super) fn barriers(&mut self, i: u32) -> Judged {
        let accepted = self.accepted;
        if !accepted.has(i, SEEN) || !self.places.stays(i) {
            return Ok(());
        }
        if accepted.has(i, BARRIER) {
            let landing = self.landing[i as usize];
            for from in [self.places.start(i), landing] {
                if from != NONE && !self.is_guarded(i, from)? {
                    return self.fault(c"barrier", i);
                }
            }
        }
        let behind = accepted.has(i, BARRIER_BEHIND) && is_plain_store(self.old(i));
        match behind && !is_barrier(&self.insns[self.places.last(i) as usize]) {
            true => self.fault(c"barrier behind", i),
            false => Ok(()),
        }
    }

    /// Is a barrier the first of what stands for insn `i`, on the way that comes by insn `from`? What was put
    /// in front of a subprog may be in front of it.
    fn is_guarded(&mut self, i: u32, from: u32) -> Judged<bool> {
        let mut at = from;
        if self.is_start(i) {
            if at < self.prologue {
                self.walk.from(at, None, true)?;
                return Ok(!self.walk.came_to(self.last_of(i)));
            }
            while is_slot(&self.insns[at as usize]) && at < self.places.last(i) {
                at += 1;
            }
        }
        Ok(is_barrier(&self.insns[at as usize]))
    }

    /// Is accepted insn `i` the first of its subprog that stays?
    fn is_start(&self, i: u32) -> bool {
        self.places.staying(self.accepted.start_of(i)) == i
    }

    /// Returns the last insn that stands for `i`, or for its second half.
    fn last_of(&self, i: u32) -> u32 {
        match self.accepted.flow(i) {
            Flow::Wide => self.places.last(i + 1),
            _ => self.places.last(i),
        }
    }

    fn old(&self, i: u32) -> &Insn {
        &self.accepted.insns[i as usize]
    }

    fn fault(&self, what: &'static CStr, i: u32) -> Judged {
        Err(Fault::new(what, i, self.places.start(i)).into())
    }
}
