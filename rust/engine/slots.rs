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
        INDIRECT,
        SHARED,
        ZEXT, //
    },
    group::Group,
    layout::Layout,
    reference::refers_to_subprog,
    AT_ONCE, //
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
    pub(super) fn fill(
        &mut self,
        slots: &mut [u32],
        insns: &[Insn],
        layout: &Layout<'_>,
        pause: &mut dyn FnMut(),
    ) {
        let (mut old, mut new) = (0, 0);
        let mut pause_at = AT_ONCE;
        for group in layout.log().groups() {
            if new >= pause_at {
                pause_at = new.saturating_add(AT_ONCE);
                pause();
            }
            let idx = group.idx();
            if old < idx {
                let kept = self.keep(old..idx, &mut slots[new..]);
                new += kept;
            }
            old = group.end();
            if !group.removes() {
                let end = layout.start(old) as usize;
                self.fill_group(&group, &mut slots[new..end], &insns[new..end]);
                new = end;
            }
        }
        self.keep(old..layout.old_len(), &mut slots[new..]);
    }

    /// Fills the slots of old insns that stay, the first of `slots`. Returns how many they are.
    fn keep(&self, kept: Range<u32>, slots: &mut [u32]) -> usize {
        let slots = &mut slots[..kept.len()];
        match self.old_slots {
            Some(old) => slots.copy_from_slice(&old[kept.start as usize..kept.end as usize]),
            None => slots.iter_mut().zip(kept).for_each(|(slot, i)| *slot = i),
        }
        slots.len()
    }

    /// Fills the slots of a group.
    fn fill_group(&mut self, group: &Group<'_>, slots: &mut [u32], insns: &[Insn]) {
        let idx = group.idx();
        let (first_added, zero_extends) = (self.first_added(), self.zero_extends);
        let old = self.old_slots.map_or(idx, |s| s[idx as usize]);
        let (entry, is_shared) = self.entry(old);
        let bits = bits_of(entry);
        let without_zext = first_added + (bits & !INDIRECT);
        let with_zext = without_zext + ZEXT;
        for (slot, insn) in slots.iter_mut().zip(insns) {
            *slot = if zero_extends(insn) {
                with_zext
            } else {
                without_zext
            };
        }

        let mut added = slots;
        if !is_shared {
            let Some((last, rest)) = added.split_last_mut() else {
                return;
            };
            // Most entries stay as they are, and their cache lines clean.
            let zext = *last == with_zext;
            if entry.zext_dst != zext {
                entry.zext_dst = zext;
            }
            *last = old;
            added = rest;
        }
        if bits & INDIRECT != 0 {
            if let Some(first) = added.get_mut(group.skipped_len() as usize) {
                *first += INDIRECT;
                if !is_shared {
                    entry.set_indirect_target(0);
                }
            }
        }
        if self.has_own {
            self.give_own(added, insns);
        }
    }

    /// Gives those of added insns that refer to a subprog an entry of their own.
    fn give_own(&mut self, slots: &mut [u32], insns: &[Insn]) {
        let first_added = self.first_added();
        for (slot, insn) in slots.iter_mut().zip(insns) {
            if refers_to_subprog(insn) {
                fill_added(&mut self.added[self.used as usize], *slot - first_added);
                *slot = first_added + self.used;
                self.used += 1;
            }
        }
    }

    fn first_added(&self) -> u32 {
        // As many as there were insns, a u32.
        self.entries.len() as u32
    }

    /// Returns the entry of a slot, and whether it is a shared one.
    fn entry(&mut self, slot: u32) -> (&mut InsnAux, bool) {
        match slot.checked_sub(self.first_added()) {
            Some(added) => (&mut self.added[added as usize], added < SHARED),
            None => (&mut self.entries[slot as usize], false),
        }
    }
}
