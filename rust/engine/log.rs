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
    reference::Reference, //
};
use kernel::prelude::*;

/// What an edit does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Put insns in front of an insn, which stays.
    Prepend {
        /// Jumps to the insn land on it, behind what is put in front.
        behind: bool,
    },
    /// Put insns in place of an insn.
    Replace {
        /// Jumps out of the patch land behind what is put in front of their target.
        to_body: bool,
    },
    /// Delete `cnt` insns.
    Remove {
        /// Number of insns, the one of the edit's index included.
        cnt: u32,
    },
}

/// A [`Kind`] without its data: a byte, as a program may have a million edits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Prepend,
    PrependBehind,
    Replace,
    ReplaceToBody,
    Remove,
}

/// One edit of a session.
#[derive(Clone, Copy)]
pub(crate) struct Edit {
    /// Insn index in the program as it was when the session began.
    pub(crate) idx: u32,
    /// Where its patch begins in the pool.
    at: u32,
    /// Number of insns of its patch or, of a removal, of those removed.
    cnt: u32,
    tag: Tag,
    /// Some insn of its patch refers to another one.
    pub(crate) refers: bool,
}

impl Edit {
    pub(crate) fn kind(&self) -> Kind {
        match self.tag {
            Tag::Prepend => Kind::Prepend { behind: false },
            Tag::PrependBehind => Kind::Prepend { behind: true },
            Tag::Replace => Kind::Replace { to_body: false },
            Tag::ReplaceToBody => Kind::Replace { to_body: true },
            Tag::Remove => Kind::Remove { cnt: self.cnt },
        }
    }

    /// Returns the number of insns of its patch.
    pub(crate) fn len(&self) -> u32 {
        if self.removes() {
            0
        } else {
            self.cnt
        }
    }

    /// Returns the index of the first insn behind those that the edit is about.
    pub(crate) fn end(&self) -> u32 {
        self.idx + if self.removes() { self.cnt } else { 1 }
    }

    /// Returns the index of the old insn that stands behind the patch, unless another edit is about
    /// it.
    pub(crate) fn rest(&self) -> u32 {
        if self.prepends() {
            self.idx
        } else {
            self.end()
        }
    }

    /// Returns the number of insns that the edit adds to the program.
    pub(crate) fn added(&self) -> u32 {
        match self.tag {
            Tag::Remove => 0,
            Tag::Replace | Tag::ReplaceToBody => self.cnt - 1,
            Tag::Prepend | Tag::PrependBehind => self.cnt,
        }
    }

    /// Returns the old insn that a reference of insn `k` of the patch is to, or `None` if it is to
    /// the patch itself.
    pub(crate) fn target(&self, k: u32, distance: i64) -> Option<i64> {
        let start = i64::from(self.idx);
        let added = i64::from(self.added());
        let target = start + i64::from(k) + 1 + distance;
        if target < start {
            Some(target)
        } else if target <= start + added {
            None
        } else {
            Some(target - added)
        }
    }

    pub(crate) fn prepends(&self) -> bool {
        matches!(self.tag, Tag::Prepend | Tag::PrependBehind)
    }

    pub(crate) fn removes(&self) -> bool {
        self.tag == Tag::Remove
    }

    /// Do jumps to the insn skip the patch?
    fn is_skipped(&self) -> bool {
        self.tag == Tag::PrependBehind
    }
}

/// The edits of a session on a program of a known length.
///
/// # Invariants
///
/// - Each edit lies within the program.
/// - Edits ascend by index. No two overlap, except that insns which are put in front of an insn
///   come before what replaces it, if anything does.
///
/// # Examples
///
/// ```ignore
/// let mut log = Log::new(6);
/// log.record(0, Kind::Replace { to_body: false }, &[a, b])?;
/// log.record(2, Kind::Prepend { behind: false }, &[c])?;
/// log.record(2, Kind::Replace { to_body: false }, &[d])?;
/// log.record(3, Kind::Remove { cnt: 1 }, &[])?;
/// // Back again, and what is removed already:
/// assert_eq!(log.record(1, Kind::Remove { cnt: 1 }, &[]), Err(EINVAL));
/// assert_eq!(log.record(3, Kind::Remove { cnt: 1 }, &[]), Err(EINVAL));
/// ```
pub(crate) struct Log {
    edits: Array<Edit>,
    pool: Array<Insn>,
    program_len: u32,
    /// Index of the first insn behind those that edits are about.
    free: u32,
    /// The insn in front of it has only been prepended to, and may be edited again.
    open: bool,
    /// What all edits together come to.
    sum: Sum,
}

/// What the edits of a log come to, kept while they are recorded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    /// Number of insns of patches that refer to a subprog.
    pub(crate) subprog_refs: u32,
    /// Most insns that one edit removes.
    pub(crate) longest_removal: u32,
    /// Number of insns that all patches add.
    pub(crate) added: u32,
    /// Some patch refers to an insn outside of it.
    pub(crate) refers_out: bool,
    /// Some edit puts more than one insn where one was.
    pub(crate) grows: bool,
    /// Jumps skip what is put in front of some insn.
    pub(crate) skips: bool,
}

impl Sum {
    /// Does any insn move? If not, each edit puts one insn in place of one.
    pub(crate) fn moves(&self) -> bool {
        self.grows || self.longest_removal > 0
    }
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
            open: false,
            sum: Sum::default(),
        }
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
        self.open = false;
        self.sum = Sum::default();
    }

    /// Records an edit of insn `idx`; `patch` is empty if and only if it removes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the edit is empty, lies outside of the program, or does not ascend from the one
    /// before; `ENOMEM`. Nothing is recorded then.
    pub(crate) fn record(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        let (tag, span) = match kind {
            Kind::Prepend { behind: false } => (Tag::Prepend, 1),
            Kind::Prepend { behind: true } => (Tag::PrependBehind, 1),
            Kind::Replace { to_body: false } => (Tag::Replace, 1),
            Kind::Replace { to_body: true } => (Tag::ReplaceToBody, 1),
            Kind::Remove { cnt } => (Tag::Remove, cnt),
        };
        let removes = tag == Tag::Remove;
        let is_behind = idx >= self.free || (self.open && !removes && idx + 1 == self.free);
        let lies_within = span > 0 && idx < self.program_len && span <= self.program_len - idx;
        if !is_behind || !lies_within || patch.is_empty() != removes {
            return Err(EINVAL);
        }
        if self.edits.len() == self.edits.capacity()
            || self.pool.len() + patch.len() > self.pool.capacity()
        {
            self.grow(idx, patch.len())?;
        }

        // By `grow`, the pool's length is a u32.
        let (at, len) = (self.pool.len() as u32, patch.len() as u32);
        let mut edit = Edit {
            idx,
            at,
            cnt: if removes { span } else { len },
            tag,
            refers: false,
        };
        for (&insn, k) in patch.iter().zip(0..) {
            if let Some(reference) = Reference::of(&insn) {
                edit.refers = true;
                self.sum.subprog_refs += u32::from(!reference.is_jump);
                let target = edit.target(k, reference.distance(&insn));
                self.sum.refers_out |= target.is_some();
            }
            abi::push(&mut self.pool, insn)?;
        }
        // INVARIANT: Checked above.
        abi::push(&mut self.edits, edit)?;

        self.free = idx + span;
        self.open = edit.prepends();
        self.sum.added = self.sum.added.saturating_add(edit.added());
        match tag {
            Tag::Remove => self.sum.longest_removal = self.sum.longest_removal.max(span),
            Tag::Replace | Tag::ReplaceToBody => self.sum.grows |= len > 1,
            Tag::Prepend => self.sum.grows = true,
            Tag::PrependBehind => {
                self.sum.grows = true;
                self.sum.skips = true;
            }
        }
        Ok(())
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

    /// Returns the edits, those of one insn together, in ascending order.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = Group<'_>> {
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

    /// Returns the bytes that the arrays hold.
    pub(crate) fn bytes(&self) -> usize {
        self.edits.capacity() * size_of::<Edit>() + self.pool.capacity() * size_of::<Insn>()
    }
}

/// Makes room in `array` for `n` elements more, of a log that has come through `done` insns of its
/// program and has `rest` before it.
///
/// An array that is full gets the room that it needs if the rest of the program is edited as what is
/// done was, so that it is seldom moved; but no more than eight times what it had. For example, the
/// 64 edits that there is room for are those of the first 130 insns of 1 000. The program is
/// expected to have 492 of them.
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

/// Takes the groups off the ends of a log. Most have one edit, so that this is quicker than
/// `chunk_by`.
struct Groups<'a> {
    edits: &'a [Edit],
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
        let first = self.edits.first()?;
        let mut n = 1;
        while self.edits.get(n).is_some_and(|e| e.idx == first.idx) {
            n += 1;
        }
        let (edits, rest) = self.edits.split_at(n);
        self.edits = rest;
        Some(Group { edits })
    }
}

impl DoubleEndedIterator for Groups<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let last = self.edits.last()?;
        let mut n = self.edits.len() - 1;
        while n > 0 && self.edits[n - 1].idx == last.idx {
            n -= 1;
        }
        let (rest, edits) = self.edits.split_at(n);
        self.edits = rest;
        Some(Group { edits })
    }
}

/// All edits of one insn: what is put in front of it, then what replaces it; or one removal.
///
/// # Invariants
///
/// There is at least one edit.
pub(crate) struct Group<'a> {
    edits: &'a [Edit],
}

impl Group<'_> {
    /// Returns the index of the insn in the old program.
    pub(crate) fn idx(&self) -> u32 {
        self.edits[0].idx
    }

    /// Returns the index of the first old insn behind those that the group stands for.
    pub(crate) fn end(&self) -> u32 {
        self.edits[0].end()
    }

    pub(crate) fn removes(&self) -> bool {
        self.edits[0].removes()
    }

    /// Does the old insn stay, as the last one of the group?
    pub(crate) fn keeps(&self) -> bool {
        self.edits[self.edits.len() - 1].prepends()
    }

    /// Returns the number of insns in front of the old insn or of what replaces it.
    pub(crate) fn prefix_len(&self) -> u32 {
        let prepends = self.edits.iter().filter(|e| e.prepends());
        prepends.map(Edit::len).sum()
    }

    /// Returns how many insns of the prefix jumps to the insn skip.
    pub(crate) fn skipped_len(&self) -> u32 {
        match self.edits.iter().rposition(Edit::is_skipped) {
            Some(last) => self.edits[..=last].iter().map(Edit::len).sum(),
            None => 0,
        }
    }

    /// Returns the number of insns that the group has in the new program.
    pub(crate) fn new_len(&self) -> u32 {
        self.edits.iter().map(Edit::len).sum::<u32>() + u32::from(self.keeps())
    }
}
