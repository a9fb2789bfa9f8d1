// SPDX-License-Identifier: GPL-2.0

//! The edits of a session, in the order in which their pass records them.
//!
//! Two arrays that only grow: the edits, and the insns they bring along. Recording an edit takes
//! amortised O(insns it brings). The program is not looked at.

use super::{
    abi::{
        self,
        Array,
        Insn, //
    },
    group::{
        Group,
        Groups, //
    },
    reference::{
        may_refer,
        Reference, //
    },
};
use core::cell::Cell;
use kernel::prelude::*;

pub(crate) use super::edit::{
    Edit,
    Kind, //
};

/// The edits of a session on a program of a known length.
///
/// # Invariants
///
/// - Each edit lies within the program.
/// - Edits ascend by index. No two overlap, except that insns which are put in front of an insn
///   come before what replaces it, if anything does. Of these, what jumps skip comes first.
/// - All edits remove insns, or none does.
///
/// # Examples
///
/// ```ignore
/// let mut log = Log::new(6);
/// log.record(0, Kind::Replace, &[a, b])?;
/// log.record(2, Kind::Prepend, &[c])?;
/// log.record(2, Kind::Replace, &[d])?;
/// // Back again, what is replaced already, and a removal where insns are added:
/// assert_eq!(log.record(1, Kind::Prepend, &[c]), Err(EINVAL));
/// assert_eq!(log.record(2, Kind::Prepend, &[c]), Err(EINVAL));
/// assert_eq!(log.remove(3, 1), Err(EINVAL));
/// ```
pub(crate) struct Log {
    edits: Array<Edit>,
    pool: Array<Insn>,
    program_len: u32,
    /// Index of the first insn behind those that edits are about.
    free: u32,
    /// What was last put before the insn before it, which may be edited again. `None` if nothing
    /// was, or the insn was replaced.
    open: Option<Kind>,
    /// What all edits together come to.
    sum: Sum,
    /// Memory for the table of a layout, while no layout has it. No empty array, as the kernel takes a
    /// while to free nothing.
    table: Cell<Option<Array<u32>>>,
}

/// What the edits of a log come to, kept while they are recorded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    /// Most insns that one edit removes.
    pub(crate) longest_removal: u32,
    /// Number of insns that all patches add.
    pub(crate) added: u32,
    /// Jumps skip what is put before some insn.
    pub(crate) skips: bool,
}

/// Does any insn of the patch of `edit` refer to one outside of it? Most patches have no references, for
/// which recording is quicker without this in it.
#[inline(never)]
fn refers_out(edit: Edit, patch: &[Insn]) -> bool {
    patch.iter().zip(0..).any(|(insn, k)| {
        Reference::of(insn).is_some_and(|r| edit.target(k, r.distance(insn)).is_some())
    })
}

impl Log {
    /// Returns the empty log of a session on a program of `program_len` insns.
    pub(crate) fn new(program_len: u32) -> Self {
        // INVARIANT: There are no edits.
        Self {
            edits: Array::new(),
            pool: Array::new(),
            program_len,
            free: 0,
            open: None,
            sum: Sum::default(),
            table: Cell::new(None),
        }
    }

    /// Takes the memory for a table. The layout that it is for gives it back.
    pub(super) fn take_table(&self) -> Option<Array<u32>> {
        self.table.take()
    }

    pub(super) fn give_table(&self, table: Option<Array<u32>>) {
        self.table.set(table);
    }

    /// Makes room for so many edits, and for so many insns of patches.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn reserve(&mut self, edits: usize, insns: usize) -> Result {
        abi::reserve(&mut self.edits, edits)?;
        abi::reserve(&mut self.pool, insns)
    }

    /// Forgets all edits, for a session on a program of `program_len` insns. The room stays.
    pub(crate) fn reset(&mut self, program_len: u32) {
        self.edits.clear();
        self.pool.clear();
        // INVARIANT: There are no edits.
        self.program_len = program_len;
        self.free = 0;
        self.open = None;
        self.sum = Sum::default();
    }

    /// Overwrites the insns of all patches, before the edits are forgotten: their memory stays.
    pub(crate) fn wipe(&mut self) {
        self.pool.iter_mut().for_each(|i| *i = Insn::default());
        // Nobody reads them again, and still they have to be written.
        core::hint::black_box(&mut self.pool[..]);
    }

    /// Records an edit of insn `idx` that brings `patch` along.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the edit removes or is empty, lies outside of the program, does not ascend from
    /// the one before, follows a removal, or puts what jumps skip after what they do not; `ENOMEM`.
    /// Nothing is recorded then.
    #[inline(never)]
    pub(crate) fn record(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        let ascends = idx >= self.free || (idx + 1 == self.free && self.may_go_on_with(kind));
        let lies_within = idx < self.program_len && !patch.is_empty();
        if !ascends || !lies_within || self.sum.longest_removal > 0 || kind == Kind::Remove {
            return Err(EINVAL);
        }
        self.prepare(idx, patch.len())?;

        // By `grow`, the pool's length is a u32.
        let mut edit = Edit {
            idx,
            at: self.pool.len() as u32,
            cnt: patch.len() as u32,
            kind,
            refers_out: false,
        };
        // Most have two to five insns, for which this is quicker than to call memcpy().
        let mut refers = false;
        for insn in patch {
            refers |= may_refer(insn);
            abi::push_into_room(&mut self.pool, *insn)?;
        }
        if refers {
            edit.refers_out = refers_out(edit, patch);
        }
        self.sum.added = self.sum.added.saturating_add(edit.added());
        self.sum.skips |= edit.is_skipped();
        // INVARIANT: Checked above.
        self.push(edit, idx + 1)
    }

    /// May an edit of `kind` follow for the insn that the last one was about?
    fn may_go_on_with(&self, kind: Kind) -> bool {
        self.open
            .is_some_and(|last| kind != Kind::PrependSkipped || last == Kind::PrependSkipped)
    }

    /// Records that `cnt` insns are removed, from insn `idx` on.
    ///
    /// # Errors
    ///
    /// As for [`Log::record`], also if edits before add insns.
    pub(crate) fn remove(&mut self, idx: u32, cnt: u32) -> Result {
        let lies_within = cnt > 0 && cnt <= self.program_len.saturating_sub(idx);
        // What adds insns brings them along.
        if idx < self.free || !lies_within || !self.pool.is_empty() {
            return Err(EINVAL);
        }
        self.prepare(idx, 0)?;

        self.sum.longest_removal = self.sum.longest_removal.max(cnt);
        // INVARIANT: Checked above.
        let edit = Edit {
            idx,
            at: 0,
            cnt,
            kind: Kind::Remove,
            refers_out: false,
        };
        self.push(edit, idx + cnt)
    }

    /// Appends `edit`, for which there is room and after which insn `free` is the next.
    fn push(&mut self, edit: Edit, free: u32) -> Result {
        self.free = free;
        self.open = edit.prepends().then_some(edit.kind);
        abi::push_into_room(&mut self.edits, edit)
    }

    /// Makes room for an edit of insn `idx` that brings `insns` along.
    ///
    /// # Errors
    ///
    /// As for [`Log::grow`].
    fn prepare(&mut self, idx: u32, insns: usize) -> Result {
        if self.edits.len() < self.edits.capacity()
            && self.pool.len() + insns <= self.pool.capacity()
        {
            return Ok(());
        }
        self.grow(idx, insns)
    }

    /// Makes room for an edit of insn `idx` that brings `insns` along.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also for a pool of 2^32 insns.
    #[cold]
    fn grow(&mut self, idx: u32, insns: usize) -> Result {
        u32::try_from(self.pool.len() + insns).map_err(|_| ENOMEM)?;
        let done = u64::from(idx) + 1;
        let rest = u64::from(self.program_len) - done;
        make_room(&mut self.edits, 1, done, rest)?;
        make_room(&mut self.pool, insns, done, rest)
    }

    /// Returns what all edits together come to.
    pub(crate) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// Returns the number of insns of all patches.
    pub(crate) fn patches_len(&self) -> usize {
        self.pool.len()
    }

    /// Returns the number of insns of the program.
    pub(crate) fn program_len(&self) -> u32 {
        self.program_len
    }

    /// Returns the edits, which ascend.
    pub(crate) fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Returns the insns that `edit`, one of this log, brings along: none for a removal.
    pub(crate) fn patch(&self, edit: &Edit) -> &[Insn] {
        &self.pool[edit.at as usize..][..edit.len() as usize]
    }

    /// Returns the edits, those of one insn together, from the last.
    pub(crate) fn groups_from_end(&self) -> impl Iterator<Item = Group<'_>> {
        Groups { edits: &self.edits }
    }

    /// Returns the group of insn `idx`, if that insn was edited. A removed insn is of the group of
    /// the first insn of its run only.
    pub(crate) fn group_of(&self, idx: u32) -> Option<Group<'_>> {
        let first = self.edits.partition_point(|e| e.idx < idx);
        let last = self.edits.partition_point(|e| e.idx <= idx);
        (first < last).then(|| Group {
            edits: &self.edits[first..last],
        })
    }

    /// Returns the bytes that the edits and their patches hold.
    pub(crate) fn bytes(&self) -> usize {
        self.edits.capacity() * size_of::<Edit>() + self.pool.capacity() * size_of::<Insn>()
    }

    /// Returns the bytes of the table that no layout has.
    pub(crate) fn table_bytes(&mut self) -> usize {
        bytes_of(self.table.get_mut())
    }
}

/// Returns the bytes of a table that may not be there.
pub(super) fn bytes_of(table: &Option<Array<u32>>) -> usize {
    table.as_ref().map_or(0, Array::capacity) * size_of::<u32>()
}

/// Makes room in `array` for `n` elements more, of a log that has come through `done` insns of its
/// program and has `rest` before it.
///
/// An array that is full gets the room that it needs if the rest of the program is edited as what is
/// done was, so that it is seldom moved; but no more than eight times what it had. For example, there
/// is room for 64 edits, and the 65th is that of insn 129 of 1 000. The program is expected to have
/// 65 * 1 000 / 130 = 500 of them.
fn make_room<T>(array: &mut Array<T>, n: usize, done: u64, rest: u64) -> Result {
    let len = array.len() + n;
    let capacity = array.capacity();
    if len <= capacity {
        return Ok(());
    }
    let expected = len as u64 + (len as u64 * rest).div_ceil(done);
    let room = expected.min(8 * capacity as u64) as usize;
    abi::reserve(array, n.max(room.saturating_sub(array.len())))
}
