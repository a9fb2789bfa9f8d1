// SPDX-License-Identifier: GPL-2.0

//! Random edits, as the passes make them: one session patches or removes.

use super::{
    super::engine::harness::{
        call,
        func,
        gotol,
        is_tail_call,
        jeq,
        mov,
        mov32,
        remove, //
    },
    markers,
    programs::{
        first_half,
        is_second, //
    },
    rng::Rng,
};
use crate::engine::{
    abi::{
        Insn,
        Subprog, //
    },
    log::{
        Kind,
        Log, //
    },
    Program, //
};
use kernel::prelude::*;

/// Insns of a patch at most; the verifier's buffer has room for 32.
const PATCH: u32 = 12;

/// What edits are made of: the program as it stands, and the next marker.
pub(super) struct Source<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) program: Program<'a>,
    pub(super) marker: &'a mut u32,
    /// One insn in so many is edited.
    pub(super) every: u32,
}

impl Source<'_> {
    fn mark(&mut self, insn: &mut Insn) {
        *self.marker = if *self.marker == markers::MAX {
            1
        } else {
            *self.marker + 1
        };
        markers::set(insn, *self.marker);
    }

    /// Fills `patch` for insn `idx`, which adds `added` insns, with references in it and out of it.
    fn fill(&mut self, patch: &mut [Insn], idx: u32, added: u32) {
        let cnt = patch.len() as i64;
        let mut k = 0;
        while k < patch.len() {
            let from = i64::from(idx) + k as i64 + 1;
            // As if this was the only patch.
            let apart = |target: u32| {
                let behind = if target > idx { i64::from(added) } else { 0 };
                i64::from(target) + behind - from
            };
            let subprog = self.rng.below(self.subprog_cnt());
            let start = self.start(subprog);
            let out = first_half(self.rng, self.program.insns);
            let within = i64::from(self.rng.below(cnt as u32)) - k as i64 - 1;

            patch[k] = match self.rng.below(12) {
                0 => jeq(0, within as i16),
                1 => gotol(within as i32),
                2 | 3 if out != idx => match i16::try_from(apart(out)) {
                    Ok(off) => jeq(0, off),
                    Err(_) => gotol(apart(out) as i32),
                },
                4 if start != idx => call(apart(start) as i32),
                5 if start != idx && k + 1 < patch.len() => {
                    let pair = func(apart(start) as i32);
                    patch[k + 1] = pair[1];
                    pair[0]
                }
                6 | 7 => mov32(0),
                _ => mov(0),
            };
            let mut insn = patch[k];
            self.mark(&mut insn);
            patch[k] = insn;
            k += match k + 1 < patch.len() && patch[k + 1].code == 0 {
                true => 2,
                false => 1,
            };
        }
    }

    fn subprog_cnt(&self) -> u32 {
        self.starts().map_or(1, |s| s.len() as u32 - 1)
    }

    fn starts(&self) -> Option<&[Subprog]> {
        self.program.verified.as_ref().map(|v| &*v.subprogs)
    }

    fn start(&self, subprog: u32) -> u32 {
        self.starts().map_or(0, |s| s[subprog as usize].start)
    }

    /// Records patches.
    pub(super) fn patches(&mut self, log: &mut Log) -> Result {
        for idx in 0..self.program.insns.len() as u32 {
            if self.rng.once_in(self.every) {
                self.patch(log, idx)?;
            }
        }
        Ok(())
    }

    /// Records a patch of insn `idx`, or more.
    fn patch(&mut self, log: &mut Log, idx: u32) -> Result {
        // Long enough for every insn, and not zeros, which stand for second halves.
        let mut buf = [mov(0); PATCH as usize];
        let old = self.program.insns[idx as usize];
        if is_second(self.program.insns, idx) {
            // What a pass puts behind a pair.
            buf[0] = old;
            self.fill(&mut buf[1..2], idx + 1, 0);
            return log.record(idx, Kind::Replace, &buf[..2]);
        }

        // No subprog begins after a tail call, of which stock would take the offset for a jump's.
        let follows_tail_call = idx > 0 && is_tail_call(self.program.insns[idx as usize - 1]);
        let mut skipped = self.rng.once_in(4) && !follows_tail_call;
        let prepends = [0, 0, 1, 1, 1, 2][self.rng.below(6) as usize];
        for _ in 0..prepends {
            let cnt = 1 + self.rng.below(3);
            buf = [mov(0); PATCH as usize];
            self.fill(&mut buf[..cnt as usize], idx, cnt);
            let kind = match skipped {
                true => Kind::PrependSkipped,
                false => Kind::Prepend,
            };
            log.record(idx, kind, &buf[..cnt as usize])?;
            skipped = false;
        }

        let insns = &*self.program.insns;
        let is_pair = idx + 1 < insns.len() as u32 && is_second(insns, idx + 1);
        let is_poke = is_tail_call(old);
        if is_pair || is_poke || (prepends > 0 && self.rng.once_in(2)) {
            return Ok(());
        }
        let most = if self.rng.once_in(4) { PATCH } else { 4 };
        let cnt = 1 + self.rng.below(most);
        buf = [mov(0); PATCH as usize];
        self.fill(&mut buf[..cnt as usize], idx, cnt - 1);
        let to_body = cnt == 1 && idx > 0 && self.rng.once_in(8);
        if to_body {
            // As for an epilogue, which is in front.
            let to = first_half(self.rng, &self.program.insns[..idx as usize]);
            buf[0] = gotol(to as i32 - idx as i32 - 1);
            let mut insn = buf[0];
            self.mark(&mut insn);
            buf[0] = insn;
        }
        let kind = match to_body {
            true => Kind::ReplaceToBody,
            false => Kind::Replace,
        };
        log.record(idx, kind, &buf[..cnt as usize])
    }

    /// Records removals. The first insn of a subprog goes with the whole of it, or first of what
    /// goes of its front.
    pub(super) fn removals(&mut self, log: &mut Log) -> Result {
        let len = self.program.insns.len() as u32;
        let is_start = |s: &Self, idx| s.starts().is_some_and(|v| v.iter().any(|p| p.start == idx));
        let mut idx = 0;
        let mut left = len;
        while idx < len {
            if is_second(self.program.insns, idx) || !self.rng.once_in(self.every) {
                idx += 1;
                continue;
            }
            let whole = is_start(self, idx) && self.rng.once_in(2);
            let wanted = 1 + self.rng.below(6);
            let mut end = idx + 1;
            while end < len && (end < idx + wanted || whole) {
                // A run that goes on behind whole subprogs takes whole ones only.
                if is_start(self, end) && !(whole && self.rng.once_in(3)) {
                    break;
                }
                end += 1;
            }
            if end < len && is_second(self.program.insns, end) {
                end += 1;
            }
            if end - idx >= left {
                break;
            }
            left -= end - idx;
            remove(log, idx, end - idx)?;
            // The next run may be next to this one.
            idx = end;
        }
        Ok(())
    }
}
