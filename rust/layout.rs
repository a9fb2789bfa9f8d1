// SPDX-License-Identifier: GPL-2.0

//! Where each insn goes: the orig→new index table of a session.

use super::{
    abi::{
        self,
        Array, //
    },
    log::Log, //
};
use kernel::prelude::*;

/// # Invariants
///
/// `new_idx` has `len + 1` entries. Entry `i` is the index, in the new program, of the first insn
/// of what stands for old insn `i`: what is put in front of it, what replaces it, or the next insn
/// that stays if it is removed. The last entry is the length of the new program. Entries ascend.
pub(crate) struct Layout<'a> {
    new_idx: Array<u32>,
    log: &'a Log,
    /// Some group is longer than one insn.
    pub(crate) grows: bool,
    /// Some edit removes insns.
    pub(crate) shrinks: bool,
    /// Some edit removes more than one insn.
    removes_runs: bool,
    /// Some edit has `F_JUMPS_BEHIND`.
    pub(crate) has_behind: bool,
}

impl<'a> Layout<'a> {
    /// Computes the layout of `log`, which is sorted.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` if the new program had 2^31 insns or more.
    pub(crate) fn new(log: &'a Log) -> Result<Self> {
        let len = log.program_len();
        let mut layout = Self {
            new_idx: abi::with_capacity(len as usize + 1)?,
            log,
            grows: false,
            shrinks: false,
            removes_runs: false,
            has_behind: false,
        };

        let mut old = 0;
        let mut new = 0u64;
        for group in log.groups() {
            layout.push_run(old..group.idx(), &mut new)?;
            // A removed run maps to what comes behind it.
            for _ in group.idx()..group.end() {
                layout.push(new)?;
            }
            old = group.end();
            new += u64::from(group.new_len());

            layout.grows |= group.new_len() > 1;
            layout.shrinks |= group.removes();
            layout.removes_runs |= group.removes() && group.end() - group.idx() > 1;
            layout.has_behind |= group.skip_len() > 0;
        }
        layout.push_run(old..len, &mut new)?;
        layout.push(new)?;
        Ok(layout)
    }

    fn push(&mut self, new: u64) -> Result {
        let new = i32::try_from(new).map_err(|_| E2BIG)?;
        // Within the capacity reserved at the start.
        abi::push(&mut self.new_idx, new as u32)
    }

    fn push_run(&mut self, old: core::ops::Range<u32>, new: &mut u64) -> Result {
        for _ in old {
            self.push(*new)?;
            *new += 1;
        }
        Ok(())
    }

    pub(crate) fn old_len(&self) -> u32 {
        self.log.program_len()
    }

    pub(crate) fn new_len(&self) -> u32 {
        self.start(self.old_len())
    }

    /// New index of the first insn that stands for old insn `old`, which may be one past the
    /// last.
    pub(crate) fn start(&self, old: u32) -> u32 {
        self.new_idx[old as usize]
    }

    /// Is old insn `old` removed?
    pub(crate) fn is_removed(&self, old: u32) -> bool {
        old < self.old_len() && self.start(old) == self.start(old + 1)
    }

    /// Where a reference to old insn `target` leads that is not a jump: a call, a subprog's
    /// address. The first insn of its group.
    ///
    /// A reference into a removed run keeps its distance from the start of the run, as
    /// `bpf_remove_insns()` has it: to the start means the next insn that stays, further in means
    /// as far behind that one.
    pub(crate) fn land(&self, target: i64) -> i64 {
        let len = i64::from(self.old_len());
        let mut target = target;
        if self.removes_runs {
            while let Some(run) = self.old_index(target).and_then(|i| self.log.removal_of(i)) {
                // To the start is what the table is for, however many runs follow each other.
                if target == i64::from(run.idx) {
                    break;
                }
                target += i64::from(run.cnt);
            }
        }
        match u32::try_from(target) {
            // What points out of the program, as nothing verified does, keeps its distance.
            Err(_) => target,
            Ok(_) if target > len => i64::from(self.new_len()) + (target - len),
            Ok(old) => self.start(old).into(),
        }
    }

    /// Where a jump to old insn `target` lands.
    pub(crate) fn land_jump(&self, target: i64) -> i64 {
        self.land(target)
            + if self.has_behind {
                self.skip_len(target)
            } else {
                0
            }
    }

    /// Where a jump to the body of old insn `target` lands: behind all that is in front of it.
    pub(crate) fn land_body(&self, target: i64) -> i64 {
        let group = self.old_index(target).and_then(|i| self.log.group_of(i));
        self.land(target) + group.map_or(0, |g| g.prefix_len().into())
    }

    fn skip_len(&self, target: i64) -> i64 {
        let group = self.old_index(target).and_then(|i| self.log.group_of(i));
        group.map_or(0, |g| g.skip_len().into())
    }

    fn old_index(&self, target: i64) -> Option<u32> {
        u32::try_from(target).ok().filter(|&i| i < self.old_len())
    }

    /// The longest runs of old insns that were not edited, with the groups between them.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span<'_>> {
        let mut old = 0;
        let ends = Iterator::chain(self.log.groups().map(Some), [None]);
        ends.map(move |group| {
            let end = group.as_ref().map_or(self.old_len(), |g| g.idx());
            let run = old..end;
            old = group.as_ref().map_or(end, |g| g.end());
            Span { run, group }
        })
    }

    /// Bytes the table holds.
    pub(crate) fn bytes(&self) -> usize {
        self.new_idx.capacity() * size_of::<u32>()
    }
}

/// Old insns that were not edited, maybe none, and the group behind them but for the last span.
pub(crate) struct Span<'a> {
    pub(crate) run: core::ops::Range<u32>,
    pub(crate) group: Option<super::log::Group<'a>>,
}
