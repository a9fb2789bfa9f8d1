// SPDX-License-Identifier: GPL-2.0

//! Where each insn goes: the table of a session from old to new insn indices.

use super::{
    abi::{
        self,
        Array, //
    },
    group::Group,
    log::{
        bytes_of,
        Edit,
        Log, //
    }, //
};
use core::ops::Range;
use kernel::prelude::*;

/// Old insns that stay, maybe none, and the edit behind them, except in the last piece.
pub(crate) struct Piece<'a> {
    /// The old insns.
    pub(crate) kept: Range<u32>,
    /// New index of the first of them, or of the patch if there are none.
    pub(crate) pos: u32,
    pub(crate) edit: Option<&'a Edit>,
}

impl Piece<'_> {
    /// Returns the new index of the edit's patch.
    pub(crate) fn patch_pos(&self) -> u32 {
        self.pos + (self.kept.end - self.kept.start)
    }
}

/// The pieces of a new program, in order.
struct Pieces<'a> {
    edits: core::slice::Iter<'a, Edit>,
    old: u32,
    pos: u32,
    /// Length of the old program.
    len: u32,
    /// The last piece is yet to come.
    has_last: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'a>> {
        let Some(edit) = self.edits.next() else {
            let last = Piece {
                kept: self.old..self.len,
                pos: self.pos,
                edit: None,
            };
            return core::mem::take(&mut self.has_last).then_some(last);
        };
        let piece = Piece {
            kept: self.old..edit.idx,
            pos: self.pos,
            edit: Some(edit),
        };
        self.pos += edit.idx - self.old + edit.len();
        self.old = edit.rest();
        Some(piece)
    }
}

/// The new place of each old insn, for one log.
///
/// # Invariants
///
/// - If an insn moves, there is `new_idx`, and its first `len + 1` entries are of this layout, ascend and
///   are less than 2^31. Entry `i` is the index, in the new program, of the first insn of what stands for
///   old insn `i`: of its group, or of the next insn that stays if it is removed. The last entry is
///   the length of the new program.
/// - There is `entered`, with an entry for each old insn, if the log removes more than one insn at a
///   time.
pub(crate) struct Layout<'a> {
    log: &'a Log,
    new_idx: Option<Array<u32>>,
    /// Where a reference to each old insn leads, for those inside of removed runs.
    entered: Option<Array<u32>>,
    /// Some group is longer than one insn.
    pub(crate) grows: bool,
    /// All edits remove insns. Then none is longer.
    pub(crate) shrinks: bool,
}

impl<'a> Layout<'a> {
    /// Computes the layout of `log`, in the memory that an earlier one has left there if that is enough.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` if program and patches together have 2^31 insns or more.
    pub(crate) fn new(log: &'a Log) -> Result<Self> {
        let len = log.program_len() as usize;
        if len + log.patches_len() > i32::MAX as usize {
            return Err(E2BIG);
        }
        let sum = log.sum();
        let mut layout = Self {
            log,
            new_idx: None,
            entered: None,
            grows: sum.added > 0,
            shrinks: sum.longest_removal > 0,
        };
        if layout.moves() {
            let mut table = match log.take_table().filter(|table| table.len() > len) {
                Some(table) => table,
                None => abi::zeroed(len + 1)?,
            };
            // INVARIANT: Each old insn has its entry, and the end has one. Entries are sums of lengths
            // that together are less than 2^31.
            number(&mut table[..=len], log.edits());
            if sum.longest_removal > 1 {
                layout.entered = Some(enter_runs(&table[..=len], log.edits())?);
            }
            layout.new_idx = Some(table);
        }
        Ok(layout)
    }

    /// Does any insn move? If not, each edit puts one insn in place of one.
    pub(crate) fn moves(&self) -> bool {
        self.grows || self.shrinks
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
        match &self.new_idx {
            Some(table) => table[old as usize],
            None => old,
        }
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
            Ok(old) => match self.entered.as_ref().and_then(|e| e.get(old as usize)) {
                Some(&entered) => entered.into(),
                None => self.start(old).into(),
            },
        }
    }

    /// Returns the new index of what a jump to old insn `target` leads to.
    ///
    /// Proof: `PlaceStep` and `PlaceBound` in `proof/same.dfy`.
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
        if !self.log.sum().skips {
            return 0;
        }
        self.group_at(target).map_or(0, |g| g.skipped_len().into())
    }

    fn group_at(&self, target: i64) -> Option<Group<'a>> {
        u32::try_from(target)
            .ok()
            .and_then(|i| self.log.group_of(i))
    }

    /// Returns the pieces of the new program.
    ///
    /// Proof: `PiecesPos` in `proof/layout.dfy`.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        Pieces {
            edits: self.log.edits().iter(),
            old: 0,
            pos: 0,
            len: self.old_len(),
            has_last: true,
        }
    }

    /// Returns the bytes that the tables hold.
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(&self.new_idx) + bytes_of(&self.entered)
    }
}

impl Drop for Layout<'_> {
    fn drop(&mut self) {
        if let Some(table) = self.new_idx.take() {
            self.log.give_table(Some(table));
        }
    }
}

/// Fills the table of a layout.
///
/// Proof: `Number` in `proof/sweep.dfy`.
fn number(table: &mut [u32], edits: &[Edit]) {
    let (mut old, mut new) = (0, 0);
    for edit in edits {
        let idx = edit.idx as usize;
        // Often edits follow each other closely.
        if old < idx {
            new = count_up(&mut table[old..idx], new);
            old = idx;
        }
        if edit.removes() {
            old = edit.end() as usize;
            // They map to what comes behind them.
            table[idx..old].fill(new);
            continue;
        }
        // Not for what comes behind insns that are put in front of the same one.
        if old == idx {
            table[idx] = new;
            new += 1;
            old = idx + 1;
        }
        new += edit.added();
    }
    count_up(&mut table[old..], new);
}

/// Returns where a reference to each old insn leads, in one sweep from the end. `table` is the one of the
/// layout.
///
/// A reference to old insn `t` of a removed run of `cnt` insns leads where one to `t + cnt` leads, as in
/// `bpf_remove_insns()`: to the first insn of the run, it leads past the run; to one further in, as much
/// further. That may be in a run again, or past the end of the program.
///
/// Proof: `EnteredStep` in `proof/shrink.dfy`.
fn enter_runs(table: &[u32], edits: &[Edit]) -> Result<Array<u32>> {
    // The last entry is the new length. Lengths are u32s.
    let len = table.len() - 1;
    let mut entered = Array::new();
    abi::extend(&mut entered, &table[..len])?;
    for edit in edits.iter().rev().filter(|e| e.removes()) {
        let cnt = (edit.end() - edit.idx) as usize;
        for old in (edit.idx as usize..edit.end() as usize).rev() {
            let to = old + cnt;
            entered[old] = match entered.get(to) {
                Some(&entered) => entered,
                None => table[len] + (to - len) as u32,
            };
        }
    }
    Ok(entered)
}

/// Fills `entries` with ascending numbers from `first` on. Returns the next one.
fn count_up(entries: &mut [u32], first: u32) -> u32 {
    // Both are less than 2^31.
    let next = first + entries.len() as u32;
    for (entry, number) in entries.iter_mut().zip(first..next) {
        *entry = number;
    }
    next
}
