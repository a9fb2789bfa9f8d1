// SPDX-License-Identifier: GPL-2.0

//! Auxiliary data, what the verifier knows about each insn: `adjust_insn_aux_data()` for all edits
//! of a session.
//!
//! The entry of an edited insn goes to the last insn of its group, which stands for the old one.
//! Only its `indirect_target` goes to the first. The other insns of the group have been seen if the
//! old one was, and know nothing else. Whether an insn zero-extends is found out anew for each of
//! the group.
//!
//! No entry moves, at 136 bytes each. A table has the slot of each insn's entry: see
//! `bpf_insn_aux()` in [`include/linux/bpf_verifier.h`](srctree/include/linux/bpf_verifier.h).
//! Insns that an edit adds share the eight entries that they can have. Only an insn that refers to
//! a subprog gets its own, as `jit_subprogs()` writes to it.

use super::{
    abi::{
        self,
        Array,
        Insn,
        InsnAux, //
    },
    layout::Layout,
    reference::refers_to_subprog, //
};
use kernel::prelude::*;

/// Number of shared entries, the first of those added: one for each combination of the bits below.
pub(crate) const SHARED: u32 = 8;

const SEEN: u32 = 1;
const ZEXT: u32 = 2;
const INDIRECT: u32 = 4;

/// Makes `entry`, which is zero, that of an added insn with these bits.
pub(crate) fn fill_added(entry: &mut InsnAux, bits: u32) {
    entry.seen = u32::from(bits & SEEN != 0);
    entry.zext_dst = bits & ZEXT != 0;
    entry.set_indirect_target(u32::from(bits & INDIRECT != 0));
}

/// The entries of a program, and which insn has which.
///
/// # Invariants
///
/// Slots are those of `entries` and then of `added`, of which the first [`SHARED`] are shared ones
/// if there are any.
pub(crate) struct Aux<'a> {
    /// Those of the insns that the verifier has seen.
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

    /// Fills `new` for the new program `insns`, and the entries of edited insns. `zero_extends`
    /// tells whether an insn defines a 32-bit subregister. Returns how many slots were written.
    pub(crate) fn rewrite(
        &mut self,
        new: &mut NewAux,
        insns: &[Insn],
        layout: &Layout<'_>,
        zero_extends: &dyn Fn(&Insn) -> bool,
    ) -> u64 {
        let Some(slots) = &mut new.slots else {
            // No insn moves: each is edited in its place.
            for span in layout.spans() {
                if let Some(group) = span.group {
                    let idx = group.idx() as usize;
                    self.entries[idx].zext_dst = zero_extends(&insns[idx]);
                }
            }
            return 0;
        };

        let used = used(self.added);
        let added = match &mut new.added {
            Some(added) => added,
            None => &mut *self.added,
        };
        let mut filler = Filler {
            entries: self.entries,
            used,
            added,
            zero_extends,
        };
        for span in layout.spans() {
            let to = layout.start(span.run.start) as usize;
            let kept = &mut slots[to..][..span.run.len()];
            match self.slots {
                Some(old) => {
                    kept.copy_from_slice(&old[span.run.start as usize..span.run.end as usize])
                }
                None => kept
                    .iter_mut()
                    .zip(span.run)
                    .for_each(|(slot, i)| *slot = i),
            }

            if let Some(group) = span.group.filter(|g| !g.removes()) {
                let old = self.slots.map_or(group.idx(), |s| s[group.idx() as usize]);
                let start = layout.start(group.idx()) as usize;
                let len = group.new_len() as usize;
                filler.fill(old, &mut slots[start..][..len], &insns[start..][..len]);
            }
        }
        layout.new_len().into()
    }
}

/// What is allocated for the aux data of a new program.
///
/// # Examples
///
/// ```ignore
/// let new = NewAux::new(&aux, &layout)?;
/// // Nothing fails from here on.
/// aux.rewrite(&mut new, &insns, &layout, &|insn| insn_def32(insn));
/// ```
#[derive(Default)]
pub(crate) struct NewAux {
    /// To be the slots of the new program, if they change.
    pub(crate) slots: Option<Array<u32>>,
    /// To be `added`, if it has to be longer. It begins with a copy of the old one.
    pub(crate) added: Option<Array<InsnAux>>,
}

/// Returns how many added entries are in use once the shared ones are there.
fn used(added: &[InsnAux]) -> u32 {
    // At most as many as there are insns, a u32.
    (added.len() as u32).max(SHARED)
}

impl NewAux {
    /// Allocates what [`Aux::rewrite`] needs.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(aux: &Aux<'_>, layout: &Layout<'_>) -> Result<Self> {
        let mut new = Self::default();
        if !layout.grows && !layout.shrinks && aux.slots.is_none() {
            return Ok(new);
        }

        new.slots = Some(abi::zeroed(layout.new_len() as usize)?);
        let own = layout.log().subprog_refs();
        if aux.added.is_empty() || own > 0 {
            let used = used(aux.added);
            let mut added = abi::zeroed::<InsnAux>(used as usize + own as usize)?;
            added[..aux.added.len()].copy_from_slice(aux.added);
            for bits in aux.added.len() as u32..used {
                fill_added(&mut added[bits as usize], bits);
            }
            new.added = Some(added);
        }
        Ok(new)
    }

    /// Returns the bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        let slots = self.slots.as_ref().map_or(0, |s| s.capacity());
        let added = self.added.as_ref().map_or(0, |a| a.capacity());
        slots * size_of::<u32>() + added * size_of::<InsnAux>()
    }
}

/// Fills the slots of groups.
struct Filler<'a> {
    entries: &'a mut [InsnAux],
    added: &'a mut [InsnAux],
    /// How many of `added` are in use.
    used: u32,
    zero_extends: &'a dyn Fn(&Insn) -> bool,
}

impl Filler<'_> {
    /// Fills the slots of the group that stands for an insn of slot `old`; its insns are `insns`.
    fn fill(&mut self, old: u32, slots: &mut [u32], insns: &[Insn]) {
        let entry = self.entry(old);
        let seen = if entry.seen != 0 { SEEN } else { 0 };
        let mut indirect = if entry.indirect_target() != 0 {
            INDIRECT
        } else {
            0
        };

        let last = slots.len() - 1;
        for (slot, insn) in slots[..last].iter_mut().zip(insns) {
            *slot = self.add(insn, seen | indirect);
            indirect = 0;
        }

        let insn = &insns[last];
        slots[last] = if self.is_shared(old) {
            self.add(insn, seen | indirect)
        } else {
            let zext = (self.zero_extends)(insn);
            let entry = self.entry(old);
            entry.zext_dst = zext;
            entry.set_indirect_target(u32::from(indirect != 0));
            old
        };
    }

    /// Returns the slot of an entry for an added insn: with `bits`, and what the insn itself says.
    fn add(&mut self, insn: &Insn, bits: u32) -> u32 {
        let zext = if (self.zero_extends)(insn) { ZEXT } else { 0 };
        let bits = bits | zext;
        let slot = if refers_to_subprog(insn) {
            let slot = self.used;
            fill_added(&mut self.added[slot as usize], bits);
            self.used += 1;
            slot
        } else {
            bits
        };
        self.first_added() + slot
    }

    fn first_added(&self) -> u32 {
        // As many as there were insns, a u32.
        self.entries.len() as u32
    }

    fn is_shared(&self, slot: u32) -> bool {
        slot >= self.first_added() && slot - self.first_added() < SHARED
    }

    fn entry(&mut self, slot: u32) -> &mut InsnAux {
        match slot.checked_sub(self.first_added()) {
            Some(added) => &mut self.added[added as usize],
            None => &mut self.entries[slot as usize],
        }
    }
}
