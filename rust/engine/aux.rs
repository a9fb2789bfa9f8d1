// SPDX-License-Identifier: GPL-2.0

//! Auxiliary data, what the verifier knows about each insn: `adjust_insn_aux_data()` for all edits
//! of a session.
//!
//! The entry of an edited insn goes to the last insn of its group, which stands for the old one.
//! Only its `indirect_target` goes to the first that jumps do not skip. The other insns of the group
//! have been seen if the old one was, and know nothing else. Whether an insn zero-extends is found out
//! anew for each of the group.
//!
//! Entries have 136 bytes each. They move where that costs no memory, in the room that their array
//! has anyway: so for programs of a few insns, and when insns are only removed. In all other cases
//! no entry moves. A table has the slot of each insn's entry: see `bpf_insn_aux()` in
//! [`include/linux/bpf_verifier.h`](srctree/include/linux/bpf_verifier.h). Insns that an edit adds
//! share the eight entries that they can have. Only an insn that refers to a subprog gets its own,
//! as `jit_subprogs()` writes to it.

use super::{
    abi::{
        self,
        Array,
        Insn,
        InsnAux, //
    },
    added::{
        bits_of,
        fill_added,
        zext_bit,
        INDIRECT,
        SHARED, //
    },
    layout::Layout,
    shift,
    slots::Filler,
    Pauses, //
};
use kernel::prelude::*;

/// The entries of a program, and which insn has which.
///
/// # Invariants
///
/// Slots are those of `entries` and then of `added`, of which the first [`SHARED`] are shared ones
/// if there are any.
pub(crate) struct Aux<'a> {
    /// Those of the insns that the verifier has seen. If they are to move ([`NewAux::Move`]), with
    /// room for the longer of the old and the new program.
    pub(crate) entries: &'a mut [InsnAux],
    /// Those of added insns.
    pub(crate) added: &'a mut [InsnAux],
    /// Slot of each insn's entry; `None` if insn `i` has slot `i`.
    pub(crate) slots: Option<&'a [u32]>,
}

impl Aux<'_> {
    /// Returns the slot of insn `idx`.
    ///
    /// # Panics
    ///
    /// If the program has no insn `idx`, and slots.
    pub(crate) fn slot(&self, idx: u32) -> u32 {
        self.slots.map_or(idx, |slots| slots[idx as usize])
    }

    /// Returns the entry of insn `idx`, as `bpf_insn_aux()` does.
    ///
    /// # Panics
    ///
    /// If the program has no insn `idx`.
    pub(crate) fn of(&self, idx: u32) -> &InsnAux {
        let slot = self.slot(idx) as usize;
        match slot.checked_sub(self.entries.len()) {
            Some(added) => &self.added[added],
            None => &self.entries[slot],
        }
    }

    /// Lets each insn of the new program `insns` have its entry: in place, or in `new`.
    /// `zero_extends` tells whether an insn defines a 32-bit subregister. `pause` is called now and then.
    pub(crate) fn rewrite(
        &mut self,
        new: &mut NewAux,
        insns: &[Insn],
        layout: &Layout<'_>,
        zero_extends: &impl Fn(&Insn) -> bool,
        pause: &mut dyn FnMut(),
    ) {
        match new {
            NewAux::Stay => self.replace(insns, layout, zero_extends),
            NewAux::Move => self.move_entries(insns, layout, zero_extends, pause),
            NewAux::Slots { slots, added } => {
                let used = used(self.added);
                Filler {
                    old_slots: self.slots,
                    entries: self.entries,
                    used,
                    has_own: layout.log().sum().subprog_refs > 0,
                    added: added.as_deref_mut().unwrap_or(self.added),
                    zero_extends,
                }
                .fill(slots, insns, layout, pause)
            }
        }
    }

    /// Each edited insn has become one insn.
    fn replace(
        &mut self,
        insns: &[Insn],
        layout: &Layout<'_>,
        zero_extends: &impl Fn(&Insn) -> bool,
    ) {
        for edit in layout.log().edits() {
            let idx = edit.idx as usize;
            self.entries[idx].zext_dst = zero_extends(&insns[idx]);
        }
    }

    fn move_entries(
        &mut self,
        insns: &[Insn],
        layout: &Layout<'_>,
        zero_extends: &impl Fn(&Insn) -> bool,
        pause: &mut dyn FnMut(),
    ) {
        let mut pauses = Pauses::new(pause);
        if layout.shrinks {
            return shift::together(self.entries, layout, &mut pauses, |_, _, _| {});
        }
        let (mut to, mut end) = (layout.new_len(), layout.old_len());
        for group in layout.log().groups().rev() {
            let kept = group.end()..end;
            end = group.idx();
            to -= kept.end - kept.start;
            shift::apart(self.entries, kept, to, &mut pauses, |_, _, _| {});
            to -= group.new_len();
            let (from, first) = (group.idx() as usize, to as usize);
            let last = first + group.new_len() as usize - 1;
            let bits = bits_of(&self.entries[from]);
            // As a whole, with what is between the fields.
            self.entries.copy_within(from..=from, last);
            for (entry, insn) in self.entries[first..last].iter_mut().zip(&insns[first..]) {
                abi::clear(entry);
                fill_added(entry, bits & !INDIRECT | zext_bit(zero_extends, insn));
            }
            let old = &mut self.entries[last];
            old.zext_dst = zero_extends(&insns[last]);
            old.set_indirect_target(0);
            if bits & INDIRECT != 0 {
                self.entries[first + group.skipped_len() as usize].set_indirect_target(1);
            }
        }
    }
}

/// What becomes of the aux data of a program, and what is allocated for that.
///
/// # Examples
///
/// ```ignore
/// let mut new = NewAux::new(aux.slots.is_some(), aux.added, &layout, false)?;
/// // Nothing fails from here on.
/// aux.rewrite(&mut new, &insns, &layout, &|insn| insn_def32(insn), &mut || {});
/// ```
pub(crate) enum NewAux {
    /// No insn moves: each is edited in its place.
    Stay,
    /// Entries move with their insns.
    Move,
    /// Entries stay.
    Slots {
        /// To be the slots of the new program.
        slots: Array<u32>,
        /// To be `added`, if it has to be longer. It begins with a copy of the old one.
        added: Option<Array<InsnAux>>,
    },
}

/// Returns how many added entries are in use once the shared ones are there.
fn used(added: &[InsnAux]) -> u32 {
    // At most as many as there are insns, a u32.
    (added.len() as u32).max(SHARED)
}

impl NewAux {
    /// Allocates what [`Aux::rewrite`] needs: for a program that `has_slots`, or not, and has
    /// `old_added`. Entries may move if the program has no slots, and their array has room for those
    /// of the new program.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(
        has_slots: bool,
        old_added: &[InsnAux],
        layout: &Layout<'_>,
        may_move: bool,
    ) -> Result<Self> {
        if !has_slots && !layout.moves() {
            return Ok(Self::Stay);
        }
        if may_move {
            return Ok(Self::Move);
        }

        let slots = abi::zeroed(layout.new_len() as usize)?;
        let own = layout.log().sum().subprog_refs;
        let mut added = None;
        if old_added.is_empty() || own > 0 {
            let used = used(old_added);
            let mut array = abi::zeroed::<InsnAux>(used as usize + own as usize)?;
            array[..old_added.len()].copy_from_slice(old_added);
            for bits in old_added.len() as u32..used {
                fill_added(&mut array[bits as usize], bits);
            }
            added = Some(array);
        }
        Ok(Self::Slots { slots, added })
    }

    /// Returns how many bytes [`Aux::rewrite`] writes.
    pub(crate) fn written(&self, layout: &Layout<'_>) -> u64 {
        match self {
            Self::Stay => 0,
            Self::Move => u64::from(layout.behind_first_edit()) * size_of::<InsnAux>() as u64,
            Self::Slots { slots, .. } => (slots.len() * size_of::<u32>()) as u64,
        }
    }

    /// Returns the bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Stay | Self::Move => 0,
            Self::Slots { slots, added } => {
                let added = added.as_ref().map_or(0, |a| a.capacity());
                slots.capacity() * size_of::<u32>() + added * size_of::<InsnAux>()
            }
        }
    }
}
