// SPDX-License-Identifier: GPL-2.0

//! One edit of a session: which insn it is about, what it does, and where its patch is.

/// What an edit does, `enum bpf_edit` in C. A byte, as a program may have a million edits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Put insns before an insn, which stays.
    Prepend,
    /// The same, only that jumps to the insn land on it, after what is put before it.
    PrependSkipped,
    /// Put insns in place of an insn.
    Replace,
    /// The same, only that jumps out of the patch land after what is put before their target.
    ReplaceToBody,
    /// Delete insns.
    Remove,
}

impl Kind {
    pub(crate) fn prepends(self) -> bool {
        matches!(self, Kind::Prepend | Kind::PrependSkipped)
    }
}

/// One edit of a session.
#[derive(Clone, Copy)]
pub(crate) struct Edit {
    /// Insn index in the program as it was when the session began.
    pub(crate) idx: u32,
    /// Where its patch begins in the log's pool.
    pub(super) at: u32,
    /// Number of insns of its patch or, of a removal, of those removed.
    pub(super) cnt: u32,
    pub(crate) kind: Kind,
    /// Some insn of its patch refers to one outside of the patch. What refers to the patch itself stays
    /// as it is.
    pub(crate) refers_out: bool,
}

impl Edit {
    /// Returns the number of insns of its patch.
    pub(crate) fn len(&self) -> u32 {
        if self.removes() {
            0
        } else {
            self.cnt
        }
    }

    /// Returns the index of the first insn after those that the edit is about.
    pub(crate) fn end(&self) -> u32 {
        self.idx + if self.removes() { self.cnt } else { 1 }
    }

    /// Returns the index of the old insn that stands after the patch, unless another edit is about
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
        if self.removes() {
            0
        } else {
            self.cnt - u32::from(!self.prepends())
        }
    }

    /// Returns the old insn that a reference of insn `k` of the patch is to, or `None` if it is to
    /// the patch itself.
    ///
    /// Proof: `Patched` in `proof/same.dfy`.
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
        self.kind.prepends()
    }

    pub(crate) fn removes(&self) -> bool {
        self.kind == Kind::Remove
    }

    /// Do jumps to the insn skip the patch?
    pub(super) fn is_skipped(&self) -> bool {
        self.kind == Kind::PrependSkipped
    }
}
