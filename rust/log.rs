// SPDX-License-Identifier: GPL-2.0

//! The edit log of a session.
//!
//! Two arrays that only grow: the edits, and the insns they bring along. An edit is appended in
//! amortised O(insns it brings); the program is not looked at.

use super::{
    abi::{
        self,
        Array,
        Insn, //
    },
    jumps::refers_to_subprog, //
};
use kernel::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `cnt` insns in front of insn `idx`
    Prepend,
    /// `cnt` insns in place of insn `idx`
    Replace,
    /// insns `idx..idx + cnt` go
    Remove,
}

#[derive(Clone, Copy)]
pub(crate) struct Edit {
    /// Insn index in the program as it was when the session began.
    pub(crate) idx: u32,
    /// Where the edit's insns begin in the pool.
    at: u32,
    pub(crate) cnt: u32,
    pub(crate) kind: Kind,
    /// `BPF_PATCHER_F_*`
    pub(crate) flags: u8,
}

impl Edit {
    /// One past the last insn the edit is about.
    pub(crate) fn end(&self) -> u32 {
        match self.kind {
            Kind::Remove => self.idx + self.cnt,
            _ => self.idx + 1,
        }
    }
}

/// # Invariants
///
/// Each edit lies within the program of `len` insns. While `sorted`, edits ascend by `idx`, no
/// two overlap but prepends to one insn and what replaces it, and the prepends come first.
pub(crate) struct Log {
    edits: Array<Edit>,
    pool: Array<Insn>,
    /// Number of insns in `pool` that refer to a subprog.
    subprog_refs: u32,
    len: u32,
    sorted: bool,
}

impl Log {
    /// The log of a session on a program of `len` insns.
    pub(crate) fn new(len: u32) -> Self {
        Self {
            edits: Array::new(),
            pool: Array::new(),
            subprog_refs: 0,
            len,
            sorted: true,
        }
    }

    /// May `next` follow `prev` in a sorted log?
    fn follows(prev: &Edit, next: &Edit) -> bool {
        if prev.kind == Kind::Prepend && prev.idx == next.idx {
            next.kind != Kind::Remove
        } else {
            prev.end() <= next.idx
        }
    }

    /// Records an edit.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the edit is empty, lies outside the program or does not go together with the
    /// one before; `ENOMEM`. Nothing is recorded then.
    pub(crate) fn record(
        &mut self,
        kind: Kind,
        idx: u32,
        cnt: u32,
        insns: &[Insn],
        flags: u8,
    ) -> Result {
        let span = if kind == Kind::Remove { cnt } else { 1 };
        if cnt == 0 || span > self.len || idx > self.len - span {
            return Err(EINVAL);
        }

        let edit = Edit {
            idx,
            at: u32::try_from(self.pool.len())?,
            cnt,
            kind,
            flags,
        };
        let mut sorted = self.sorted;
        if let Some(prev) = self.edits.last() {
            if sorted && !Self::follows(prev, &edit) {
                if prev.idx <= idx {
                    return Err(EINVAL);
                }
                sorted = false;
            }
        }

        abi::reserve(&mut self.edits, 1)?;
        abi::extend(&mut self.pool, insns)?;
        abi::push(&mut self.edits, edit)?;
        self.sorted = sorted;
        self.subprog_refs += insns.iter().filter(|i| refers_to_subprog(i)).count() as u32;
        Ok(())
    }

    /// Do edits ascend, as they do unless a pass walked backwards?
    pub(crate) fn is_sorted(&self) -> bool {
        self.sorted
    }

    /// Sorts the log, which it is already unless a pass walked backwards.
    ///
    /// # Errors
    ///
    /// `EINVAL` if edits turn out to overlap.
    pub(crate) fn sort(&mut self) -> Result {
        if self.sorted {
            return Ok(());
        }
        // What was recorded later has its insns later in the pool, and a removal, which has none,
        // shares its place with no other edit.
        heapsort(&mut self.edits, |e| (e.idx, e.at));
        if self.edits.windows(2).any(|w| !Self::follows(&w[0], &w[1])) {
            return Err(EINVAL);
        }
        self.sorted = true;
        Ok(())
    }

    /// Number of insns that edits bring along and that refer to a subprog.
    pub(crate) fn subprog_refs(&self) -> u32 {
        self.subprog_refs
    }

    /// Number of insns of the program.
    pub(crate) fn program_len(&self) -> u32 {
        self.len
    }

    pub(crate) fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The insns `edit` brings along.
    pub(crate) fn insns(&self, edit: &Edit) -> &[Insn] {
        match edit.kind {
            Kind::Remove => &[],
            _ => &self.pool[edit.at as usize..][..edit.cnt as usize],
        }
    }

    /// The edits, those of one insn together, in ascending order.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = Group<'_>> {
        self.edits
            .chunk_by(|a, b| a.idx == b.idx)
            .map(|edits| Group { edits })
    }

    /// The group of insn `idx`, if it was edited.
    pub(crate) fn group_of(&self, idx: u32) -> Option<Group<'_>> {
        let first = self.edits.partition_point(|e| e.idx < idx);
        let last = self.edits.partition_point(|e| e.idx <= idx);
        (first < last).then(|| Group {
            edits: &self.edits[first..last],
        })
    }

    /// The removal that takes insn `idx` away, if there is one.
    pub(crate) fn removal_of(&self, idx: u32) -> Option<&Edit> {
        let edit = self.edits[..self.edits.partition_point(|e| e.idx <= idx)].last()?;
        (edit.kind == Kind::Remove && idx < edit.end()).then_some(edit)
    }

    /// Bytes the arrays hold.
    pub(crate) fn bytes(&self) -> usize {
        self.edits.capacity() * size_of::<Edit>() + self.pool.capacity() * size_of::<Insn>()
    }
}

/// Sorts by a key that no two items share. The sorts of `core` end in a panic that objtool does not
/// know for one, if keys contradict each other.
fn heapsort<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let len = items.len();
    // First all roots of heaps, from the last, then what takes the place of each maximum.
    for i in (0..len + len / 2).rev() {
        let (mut root, len) = if i >= len {
            (i - len, len)
        } else {
            items.swap(0, i);
            (0, i)
        };
        loop {
            let mut child = 2 * root + 1;
            if child >= len {
                break;
            }
            if child + 1 < len && key(&items[child]) < key(&items[child + 1]) {
                child += 1;
            }
            if key(&items[root]) >= key(&items[child]) {
                break;
            }
            items.swap(root, child);
            root = child;
        }
    }
}

/// All edits of one insn: prepends, then at most one that replaces it, or one removal.
pub(crate) struct Group<'a> {
    edits: &'a [Edit],
}

impl<'a> Group<'a> {
    /// Insn index of the insn in the old program.
    pub(crate) fn idx(&self) -> u32 {
        self.edits[0].idx
    }

    /// One past the last old insn the group stands for.
    pub(crate) fn end(&self) -> u32 {
        self.edits[0].end()
    }

    /// The edits, in the order in which their insns stand.
    pub(crate) fn edits(&self) -> &'a [Edit] {
        self.edits
    }

    pub(crate) fn removes(&self) -> bool {
        self.edits[0].kind == Kind::Remove
    }

    /// Number of insns in front of the insn or of what replaces it.
    pub(crate) fn prefix_len(&self) -> u32 {
        let prepends = self.edits.iter().filter(|e| e.kind == Kind::Prepend);
        prepends.map(|e| e.cnt).sum()
    }

    /// Number of insns in front that jumps to the insn skip.
    pub(crate) fn skip_len(&self) -> u32 {
        let behind = |e: &Edit| u32::from(e.flags) & super::abi::F_JUMPS_BEHIND != 0;
        match self.edits.iter().rposition(behind) {
            Some(last) => self.edits[..=last].iter().map(|e| e.cnt).sum(),
            None => 0,
        }
    }

    /// Does the old insn stay, as the last one of the group?
    pub(crate) fn keeps(&self) -> bool {
        self.edits.last().is_some_and(|e| e.kind == Kind::Prepend)
    }

    /// Number of insns the group has in the new program.
    pub(crate) fn new_len(&self) -> u32 {
        if self.removes() {
            return 0;
        }
        self.edits.iter().map(|e| e.cnt).sum::<u32>() + u32::from(self.keeps())
    }
}
