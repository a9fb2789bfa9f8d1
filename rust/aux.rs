// SPDX-License-Identifier: GPL-2.0

//! Auxiliary data, the state of each insn: `adjust_insn_aux_data()` for all edits of a session.
//!
//! The entry of an edited insn goes to the last insn of its group, which stands for the old one,
//! but for `indirect_target`, which is about the first. The other insns of the group have been
//! seen if the old one was and know nothing else. Whether an insn zero-extends is found out anew
//! for each of the group.
//!
//! No entry moves, at 136 bytes each: a table has the slot of each insn's entry, see
//! `bpf_insn_aux()` in [`include/linux/bpf_verifier.h`](srctree/include/linux/bpf_verifier.h).
//! Insns that an edit adds share the few entries they can have. Only one that refers to a subprog
//! gets its own, as `jit_subprogs()` writes to it.

use super::{
    abi::{
        Insn,
        InsnAux, //
    },
    jumps,
    layout::Layout,
    log::Group, //
};

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

/// Must an added insn have an entry of its own?
pub(crate) fn needs_own(insn: &Insn) -> bool {
    jumps::refers_to_subprog(insn)
}

/// The entries of a program and the table of their slots.
pub(crate) struct Aux<'a> {
    /// Those of the insns that the verifier has seen.
    pub(crate) entries: &'a mut [InsnAux],
    /// Slot of each old insn's entry, in `entries` and then `added`; `None` if insn `i` has slot
    /// `i`.
    pub(crate) old_slots: Option<&'a [u32]>,
    /// The same for the new insns, to be filled. `None` only if no insn moves and `old_slots` is.
    pub(crate) new_slots: Option<&'a mut [u32]>,
    /// The shared entries, entries of added insns of their own, and room for more of those.
    pub(crate) added: &'a mut [InsnAux],
    /// How many of `added` are in use.
    pub(crate) added_len: u32,
}

impl Aux<'_> {
    /// Moves the slots, fills the entries of edited insns. `insns` is the new program,
    /// `zero_extends` tells whether an insn defines a 32-bit subregister. Returns how many slots
    /// were written.
    pub(crate) fn rewrite(
        mut self,
        insns: &[Insn],
        layout: &Layout<'_>,
        zero_extends: &dyn Fn(&Insn) -> bool,
    ) -> u64 {
        let Some(new) = self.new_slots.take() else {
            for span in layout.spans() {
                if let Some(group) = span.group {
                    let idx = group.idx() as usize;
                    self.entries[idx].zext_dst = zero_extends(&insns[idx]);
                }
            }
            return 0;
        };

        for span in layout.spans() {
            let to = layout.start(span.run.start) as usize;
            let slots = &mut new[to..][..span.run.len()];
            match self.old_slots {
                Some(old) => {
                    slots.copy_from_slice(&old[span.run.start as usize..span.run.end as usize])
                }
                None => slots
                    .iter_mut()
                    .zip(span.run)
                    .for_each(|(slot, i)| *slot = i),
            }

            if let Some(group) = span.group.filter(|g| !g.removes()) {
                let start = layout.start(group.idx()) as usize;
                let len = group.new_len() as usize;
                let slots = &mut new[start..][..len];
                self.fill_group(slots, &insns[start..][..len], &group, zero_extends);
            }
        }
        layout.new_len().into()
    }

    /// Fills the slots of a group, whose insns in the new program are `insns`.
    fn fill_group(
        &mut self,
        slots: &mut [u32],
        insns: &[Insn],
        group: &Group<'_>,
        zero_extends: &dyn Fn(&Insn) -> bool,
    ) {
        let old = self
            .old_slots
            .map_or(group.idx(), |s| s[group.idx() as usize]);
        let entry = *self.entry(old);
        let seen = if entry.seen != 0 { SEEN } else { 0 };
        let zext = |insn| if zero_extends(insn) { ZEXT } else { 0 };
        let mut indirect = if entry.indirect_target() != 0 {
            INDIRECT
        } else {
            0
        };

        let last = slots.len() - 1;
        for (slot, insn) in slots[..last].iter_mut().zip(insns) {
            *slot = self.add(insn, seen | zext(insn) | indirect);
            indirect = 0;
        }

        let insn = &insns[last];
        slots[last] = if self.is_shared(old) {
            self.add(insn, seen | zext(insn) | indirect)
        } else {
            let entry = self.entry(old);
            entry.zext_dst = zero_extends(insn);
            entry.set_indirect_target(u32::from(indirect != 0));
            old
        };
    }

    /// The slot of an entry with `bits` for an added insn.
    fn add(&mut self, insn: &Insn, bits: u32) -> u32 {
        let slot = if needs_own(insn) {
            let slot = self.added_len;
            fill_added(&mut self.added[slot as usize], bits);
            self.added_len += 1;
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
