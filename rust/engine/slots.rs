// SPDX-License-Identifier: GPL-2.0

//! Which entry of aux data each insn of a new program has, if entries stay where they are.

use super::{
    abi::{
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
    reference::refers_to_subprog, //
};
use core::ops::Range;

/// Fills the slots of a new program.
pub(super) struct Filler<'a, F> {
    pub(super) old_slots: Option<&'a [u32]>,
    pub(super) entries: &'a mut [InsnAux],
    pub(super) added: &'a mut [InsnAux],
    /// How many of `added` are in use.
    pub(super) used: u32,
    /// Some insn that is added refers to a subprog, so that it has an entry of its own.
    pub(super) has_own: bool,
    pub(super) zero_extends: &'a F,
}

impl<F: Fn(&Insn) -> bool> Filler<'_, F> {
    pub(super) fn fill(&mut self, slots: &mut [u32], insns: &[Insn], layout: &Layout<'_>) {
        let mut kept = 0;
        for group in layout.log().groups() {
            let idx = group.idx();
            if kept < idx {
                self.keep(slots, kept..idx, layout);
            }
            kept = group.end();
            if !group.removes() {
                let (start, end) = (layout.start(idx) as usize, layout.start(kept) as usize);
                self.fill_group(idx, &mut slots[start..end], &insns[start..end]);
            }
        }
        self.keep(slots, kept..layout.old_len(), layout);
    }

    /// Fills the slots of old insns that stay.
    fn keep(&self, slots: &mut [u32], kept: Range<u32>, layout: &Layout<'_>) {
        let slots = &mut slots[layout.start(kept.start) as usize..][..kept.len()];
        match self.old_slots {
            Some(old) => slots.copy_from_slice(&old[kept.start as usize..kept.end as usize]),
            None => slots.iter_mut().zip(kept).for_each(|(slot, i)| *slot = i),
        }
    }

    /// Fills the slots of the group of old insn `idx`.
    fn fill_group(&mut self, idx: u32, slots: &mut [u32], insns: &[Insn]) {
        let Some((last_slot, slots)) = slots.split_last_mut() else {
            return;
        };
        let Some((insn, insns)) = insns.split_last() else {
            return;
        };
        let old = self.old_slots.map_or(idx, |s| s[idx as usize]);
        let mut bits = bits_of(self.entry(old));
        for (slot, insn) in slots.iter_mut().zip(insns) {
            *slot = self.add(insn, bits);
            bits &= !INDIRECT;
        }
        *last_slot = if self.is_shared(old) {
            self.add(insn, bits)
        } else {
            // Most entries stay as they are, and their cache lines clean.
            let zext = (self.zero_extends)(insn);
            let entry = self.entry(old);
            if entry.zext_dst != zext {
                entry.zext_dst = zext;
            }
            if bits & INDIRECT == 0 && entry.indirect_target() != 0 {
                entry.set_indirect_target(0);
            }
            old
        };
    }

    /// Returns the slot of an entry for an added insn: with `bits`, and what the insn itself says.
    fn add(&mut self, insn: &Insn, bits: u32) -> u32 {
        let bits = bits | zext_bit(self.zero_extends, insn);
        let slot = if self.has_own && refers_to_subprog(insn) {
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
