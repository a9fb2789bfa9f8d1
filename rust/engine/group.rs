// SPDX-License-Identifier: GPL-2.0

//! The edits of one insn, which together stand for it in the new program.

use super::edit::Edit;

/// The groups of a log, from the last. Most have one edit, so that this is quicker than `chunk_by`.
pub(super) struct Groups<'a> {
    pub(super) edits: &'a [Edit],
}

impl<'a> Iterator for Groups<'a> {
    type Item = Group<'a>;

    fn next(&mut self) -> Option<Group<'a>> {
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

/// All edits of one insn: what is put before it, then what replaces it; or one removal.
///
/// # Invariants
///
/// There is at least one edit.
pub(crate) struct Group<'a> {
    pub(super) edits: &'a [Edit],
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

    /// Does the old insn stay, as the last one of the group?
    pub(crate) fn keeps(&self) -> bool {
        self.edits[self.edits.len() - 1].prepends()
    }

    /// Returns the number of insns in front of the old insn or of what replaces it.
    pub(crate) fn prefix_len(&self) -> u32 {
        let prepends = self.edits.iter().filter(|e| e.prepends());
        prepends.map(Edit::len).sum()
    }

    /// Returns how many insns of the prefix jumps to the insn skip. They come first.
    pub(crate) fn skipped_len(&self) -> u32 {
        let skipped = self.edits.iter().take_while(|e| e.is_skipped());
        skipped.map(Edit::len).sum()
    }

    /// Returns the number of insns that the group has in the new program.
    pub(crate) fn new_len(&self) -> u32 {
        self.edits.iter().map(Edit::len).sum::<u32>() + u32::from(self.keeps())
    }
}
