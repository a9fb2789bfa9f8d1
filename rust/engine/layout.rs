// SPDX-License-Identifier: GPL-2.0

//! Where each insn goes: the table of a session from old to new insn indices.

use super::{
    abi::{
        self,
        Array,
        Insn, //
    },
    log::{
        Edit,
        Group,
        Log, //
    }, //
};
use core::ops::Range;
use kernel::prelude::*;

/// Old insns that were not edited, maybe none, and the group behind them, except in the last span.
pub(crate) struct Span<'a> {
    pub(crate) run: Range<u32>,
    pub(crate) group: Option<Group<'a>>,
}

/// Where an insn of the new program comes from.
pub(crate) enum Origin<'a> {
    /// The old program, at this index.
    Kept(u32),
    /// The patch of this edit, at this index into the patch.
    Patch(&'a Edit, u32, &'a Insn),
}

/// The new place of each old insn, for one log.
///
/// # Invariants
///
/// - `new_idx` has `len + 1` entries, which ascend and are less than 2^31. Entry `i` is the index,
///   in the new program, of the first insn of what stands for old insn `i`: of its group, or of the
///   next insn that stays if it is removed. The last entry is the length of the new program.
/// - `entered` is empty unless the log removes more than one insn at a time, and has an entry for
///   each old insn then.
///
/// # Examples
///
/// ```ignore
/// // Insn 0 becomes two, one is put in front of insn 2, and insn 3 goes, of 6.
/// let layout = Layout::new(&log)?;
/// let table: [u32; 7] = core::array::from_fn(|old| layout.start(old as u32));
/// assert_eq!(table, [0, 2, 3, 5, 5, 6, 7]);
/// ```
pub(crate) struct Layout<'a> {
    log: &'a Log,
    new_idx: Array<u32>,
    /// Where a reference to each old insn leads, for those inside of removed runs.
    entered: Array<u32>,
    /// Some group is longer than one insn.
    pub(crate) grows: bool,
    /// Some edit removes insns.
    pub(crate) shrinks: bool,
    /// Jumps skip what is put in front of some insn.
    skips: bool,
}

impl<'a> Layout<'a> {
    /// Computes the layout of `log`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` if program and patches together have 2^31 insns or more.
    pub(crate) fn new(log: &'a Log) -> Result<Self> {
        let len = log.program_len();
        if len as usize + log.patches_len() > i32::MAX as usize {
            return Err(E2BIG);
        }

        let mut layout = Self {
            log,
            new_idx: abi::with_capacity(len as usize + 1)?,
            entered: Array::new(),
            grows: false,
            shrinks: false,
            skips: false,
        };
        let (mut old, mut new) = (0, 0);
        let mut longest_run = 0;
        for group in log.groups() {
            layout.push_kept(old..group.idx(), &mut new)?;
            // A removed insn maps to what comes behind it.
            for _ in group.idx()..group.end() {
                abi::push(&mut layout.new_idx, new)?;
            }
            old = group.end();
            new += group.new_len();

            layout.grows |= group.new_len() > 1;
            layout.shrinks |= group.removes();
            layout.skips |= group.skipped_len() > 0;
            longest_run = longest_run.max(group.end() - group.idx());
        }
        layout.push_kept(old..len, &mut new)?;
        // INVARIANT: One entry was pushed for each old insn, and this one. Entries are sums of
        // lengths that together are less than 2^31.
        abi::push(&mut layout.new_idx, new)?;
        if longest_run > 1 {
            layout.enter_runs()?;
        }
        Ok(layout)
    }

    fn push_kept(&mut self, old: Range<u32>, new: &mut u32) -> Result {
        for _ in old {
            abi::push(&mut self.new_idx, *new)?;
            *new += 1;
        }
        Ok(())
    }

    /// Fills `entered`, in one sweep from the end.
    ///
    /// A reference to old insn `t` of a removed run of `cnt` insns leads where one to `t + cnt` leads,
    /// as in `bpf_remove_insns()`: to the first insn of the run, it leads behind the run; to one
    /// further in, as much further. That may be in a run again, or behind the end of the program.
    fn enter_runs(&mut self) -> Result {
        let len = self.old_len();
        abi::extend(&mut self.entered, &self.new_idx[..len as usize])?;
        for edit in self.log.edits().iter().rev().filter(|e| e.removes()) {
            let cnt = edit.end() - edit.idx;
            for old in (edit.idx..edit.end()).rev() {
                let to = old + cnt;
                self.entered[old as usize] = match self.entered.get(to as usize) {
                    Some(&entered) => entered,
                    None => self.new_len() + (to - len),
                };
            }
        }
        Ok(())
    }

    /// Returns the log that this is the layout of.
    pub(crate) fn log(&self) -> &'a Log {
        self.log
    }

    /// Returns the number of insns of the old program.
    pub(crate) fn old_len(&self) -> u32 {
        self.log.program_len()
    }

    /// Returns the number of insns of the new program.
    pub(crate) fn new_len(&self) -> u32 {
        self.start(self.old_len())
    }

    /// Returns the new index of the first insn that stands for old insn `old`.
    ///
    /// # Panics
    ///
    /// If `old` is more than the length of the old program.
    pub(crate) fn start(&self, old: u32) -> u32 {
        self.new_idx[old as usize]
    }

    /// Is old insn `old` removed? The end of the program is not.
    ///
    /// # Panics
    ///
    /// As for [`Layout::start`].
    pub(crate) fn is_removed(&self, old: u32) -> bool {
        old < self.old_len() && self.start(old) == self.start(old + 1)
    }

    /// Returns the new index of what a call of old insn `target`, or its address, leads to: the
    /// first insn of its group. What points out of the program, as nothing verified does, keeps its
    /// distance from the program.
    pub(crate) fn call_target(&self, target: i64) -> i64 {
        let len = i64::from(self.old_len());
        match u32::try_from(target) {
            Err(_) => target,
            Ok(_) if target > len => i64::from(self.new_len()) + (target - len),
            Ok(old) => match self.entered.get(old as usize) {
                Some(&entered) => entered.into(),
                None => self.start(old).into(),
            },
        }
    }

    /// Returns the new index of what a jump to old insn `target` leads to.
    pub(crate) fn jump_target(&self, target: i64) -> i64 {
        self.call_target(target) + self.skipped_len(target)
    }

    /// Returns the new index of what a jump to the body of old insn `target` leads to: behind all
    /// that is put in front of it.
    pub(crate) fn body_target(&self, target: i64) -> i64 {
        let group = self.group_at(target);
        self.call_target(target) + group.map_or(0, |g| g.prefix_len().into())
    }

    /// Returns how many insns in front of old insn `target` a jump to it skips.
    pub(crate) fn skipped_len(&self, target: i64) -> i64 {
        if !self.skips {
            return 0;
        }
        self.group_at(target).map_or(0, |g| g.skipped_len().into())
    }

    fn group_at(&self, target: i64) -> Option<Group<'a>> {
        u32::try_from(target)
            .ok()
            .and_then(|i| self.log.group_of(i))
    }

    /// Returns the longest runs of old insns that were not edited, with the groups between them.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span<'a>> {
        let len = self.old_len();
        let mut old = 0;
        let ends = Iterator::chain(self.log.groups().map(Some), [None]);
        ends.map(move |group| {
            let run = old..group.as_ref().map_or(len, |g| g.idx());
            old = group.as_ref().map_or(len, |g| g.end());
            Span { run, group }
        })
    }

    /// Calls `f` for each insn of the new program, in order, with its index and where it comes
    /// from.
    ///
    /// # Errors
    ///
    /// The first of `f`, which is not called again then.
    pub(crate) fn try_for_each_insn<E>(
        &self,
        mut f: impl FnMut(u32, Origin<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        for span in self.spans() {
            let shift = self.start(span.run.start).wrapping_sub(span.run.start);
            for old in span.run {
                f(old.wrapping_add(shift), Origin::Kept(old))?;
            }
            let Some(group) = span.group else {
                continue;
            };
            let mut pos = self.start(group.idx());
            for edit in group.edits() {
                for (insn, k) in self.log.patch(edit).iter().zip(0..) {
                    f(pos, Origin::Patch(edit, k, insn))?;
                    pos += 1;
                }
            }
            if group.keeps() {
                f(pos, Origin::Kept(group.idx()))?;
            }
        }
        Ok(())
    }

    /// Returns the bytes that the tables hold.
    pub(crate) fn bytes(&self) -> usize {
        (self.new_idx.capacity() + self.entered.capacity()) * size_of::<u32>()
    }
}
