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
    reference::refers_to_subprog, //
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

/// One edit of a session.
#[derive(Clone, Copy)]
pub(crate) struct Edit {
    /// Insn index in the program as it was when the session began.
    pub(crate) idx: u32,
    pub(crate) kind: Kind,
    /// Where its patch begins in the pool.
    at: u32,
    /// Number of insns of its patch.
    pub(crate) len: u32,
}

impl Edit {
    /// Returns the index of the first insn behind those that the edit is about.
    pub(crate) fn end(&self) -> u32 {
        match self.kind {
            Kind::Remove { cnt } => self.idx + cnt,
            _ => self.idx + 1,
        }
    }

    pub(crate) fn prepends(&self) -> bool {
        matches!(self.kind, Kind::Prepend { .. })
    }

    pub(crate) fn removes(&self) -> bool {
        matches!(self.kind, Kind::Remove { .. })
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
    /// Number of insns in `pool` that refer to a subprog.
    subprog_refs: u32,
    program_len: u32,
}

impl Log {
    /// Returns the empty log of a session on a program of `program_len` insns.
    pub(crate) fn new(program_len: u32) -> Self {
        // INVARIANT: There are no edits.
        Self {
            edits: Array::new(),
            pool: Array::new(),
            subprog_refs: 0,
            program_len,
        }
    }

    /// Records an edit of insn `idx`; `patch` is empty if and only if it removes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the edit is empty, lies outside of the program, or does not ascend from the one
    /// before; `ENOMEM`. Nothing is recorded then.
    pub(crate) fn record(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        let (span, is_empty) = match kind {
            Kind::Remove { cnt } => (cnt, cnt == 0 || !patch.is_empty()),
            _ => (1, patch.is_empty()),
        };
        if is_empty || span > self.program_len || idx > self.program_len - span {
            return Err(EINVAL);
        }
        let removes = matches!(kind, Kind::Remove { .. });
        let follows = |prev: &Edit| {
            let same_insn = prev.prepends() && prev.idx == idx;
            prev.end() <= idx || (same_insn && !removes)
        };
        if !self.edits.last().is_none_or(follows) {
            return Err(EINVAL);
        }

        let edit = Edit {
            idx,
            kind,
            at: u32::try_from(self.pool.len())?,
            len: u32::try_from(patch.len())?,
        };
        abi::reserve(&mut self.edits, 1)?;
        abi::extend(&mut self.pool, patch)?;
        // INVARIANT: Checked above.
        abi::push(&mut self.edits, edit)?;
        self.subprog_refs += patch.iter().filter(|i| refers_to_subprog(i)).count() as u32;
        Ok(())
    }

    /// Returns the number of insns of patches that refer to a subprog.
    pub(crate) fn subprog_refs(&self) -> u32 {
        self.subprog_refs
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
        &self.pool[edit.at as usize..][..edit.len as usize]
    }

    /// Returns the edits, those of one insn together, in ascending order.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = Group<'_>> {
        self.edits
            .chunk_by(|a, b| a.idx == b.idx)
            .map(|edits| Group { edits })
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

/// All edits of one insn: what is put in front of it, then what replaces it; or one removal.
///
/// # Invariants
///
/// There is at least one edit.
pub(crate) struct Group<'a> {
    edits: &'a [Edit],
}

impl<'a> Group<'a> {
    /// Returns the index of the insn in the old program.
    pub(crate) fn idx(&self) -> u32 {
        self.edits[0].idx
    }

    /// Returns the index of the first old insn behind those that the group stands for.
    pub(crate) fn end(&self) -> u32 {
        self.edits[0].end()
    }

    /// Returns the edits, in the order in which their patches stand.
    pub(crate) fn edits(&self) -> &'a [Edit] {
        self.edits
    }

    pub(crate) fn removes(&self) -> bool {
        self.edits[0].removes()
    }

    /// Does the old insn stay, as the last one of the group?
    pub(crate) fn keeps(&self) -> bool {
        self.edits.last().is_some_and(Edit::prepends)
    }

    /// Returns the number of insns in front of the old insn or of what replaces it.
    pub(crate) fn prefix_len(&self) -> u32 {
        let prepends = self.edits.iter().filter(|e| e.prepends());
        prepends.map(|e| e.len).sum()
    }

    /// Returns how many insns of the prefix jumps to the insn skip.
    pub(crate) fn skipped_len(&self) -> u32 {
        let behind = |e: &Edit| e.kind == Kind::Prepend { behind: true };
        match self.edits.iter().rposition(behind) {
            Some(last) => self.edits[..=last].iter().map(|e| e.len).sum(),
            None => 0,
        }
    }

    /// Returns the number of insns that the group has in the new program.
    pub(crate) fn new_len(&self) -> u32 {
        self.edits.iter().map(|e| e.len).sum::<u32>() + u32::from(self.keeps())
    }
}
