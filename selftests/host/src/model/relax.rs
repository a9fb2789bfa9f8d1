// SPDX-License-Identifier: GPL-2.0

//! Jumps that do not fit, relaxed: after all edits, on the insns as they stand, whose targets are
//! known by name.

use super::{is_last_behind, reference::MAX_OFF, Edit, Kind, Model, Reference, Slot, Target};
use crate::engine::abi::Insn;

/// Rounds in which only jumps that do not fit are relaxed.
const EXACT: u32 = 8;

impl Model {
    /// Does edits that remove nothing, and relaxes jumps. Returns how many, or changes nothing if one
    /// cannot be relaxed.
    pub(crate) fn relaxed_session(&mut self, edits: &[Edit]) -> Result<u32, ()> {
        let mut next = self.clone();
        let jumps = next.relax_all(edits)?;
        next.write_back();
        *self = next;
        Ok(jumps)
    }

    fn relax_all(&mut self, edits: &[Edit]) -> Result<u32, ()> {
        self.begin();
        for (i, edit) in edits.iter().enumerate() {
            self.edit(edit);
            if is_last_behind(edit, &edits[i + 1..]) {
                self.redirect_jumps(edit.idx);
            }
        }
        let mut jumps = 0;
        for round in 0.. {
            let margin = if round < EXACT {
                0
            } else {
                64 << (round - EXACT)
            };
            let stays = |at: &usize| self.falls_on_skipped(*at, edits);
            if self.far(0).iter().any(stays) {
                return Err(());
            }
            let mut far = self.far(margin);
            far.retain(|at| !stays(at));
            if far.is_empty() {
                break;
            }
            jumps += far.len() as u32;
            far.into_iter().rev().for_each(|at| self.relax(at));
        }
        Ok(jumps)
    }

    /// Is the insn a conditional jump, and in front of what it would skip if it led there? The old
    /// insns that stand there are told by whose patch the jump is of.
    fn falls_on_skipped(&self, at: usize, edits: &[Edit]) -> bool {
        let (slot, Some(next)) = (&self.slots[at], self.slots.get(at + 1)) else {
            return false;
        };
        let mut entries = (0..).zip(&self.entries);
        let Some((idx, entry)) = entries.find(|(_, entry)| entry.front == next.id) else {
            return false;
        };
        let is_to_body = |e: &Edit| e.idx + 1 == idx && e.kind == Kind::Replace { to_body: true };
        let skips = match slot.old.is_none() && edits.iter().any(is_to_body) {
            true => entry.body != entry.front,
            false => entry.jump != entry.front,
        };
        slot.insn.code & 0xf0 != 0 && skips
    }

    /// Where the jumps are that have less than `margin` insns to spare.
    fn far(&self, margin: i64) -> Vec<usize> {
        let places = self.places();
        let is_far = |&(at, slot): &(usize, &Slot)| {
            let (Some(r), Some(target)) = (Reference::of(&slot.insn), slot.target) else {
                return false;
            };
            let is_outside = slot.old.is_some() || matches!(target, Target::Old { .. });
            let spare = |distance: i64| match distance < 0 {
                true => MAX_OFF + 1 + distance,
                false => MAX_OFF - distance,
            };
            let place = |is_jump| self.resolve(target, is_jump, &places);
            let mut least = spare(place(true) - at as i64 - 1);
            if let (Some(old), Target::Old { idx, .. }) = (slot.old, target) {
                // Stock aims a jump at the insns that it is to skip, then redirects it.
                let skipped = place(true) - place(false);
                least = least.min(spare(idx - i64::from(old) - 1 - skipped));
            }
            r.is_short() && is_outside && least < margin
        };
        let slots = self.slots.iter().enumerate();
        slots.filter(is_far).map(|(at, _)| at).collect()
    }

    fn relax(&mut self, at: usize) {
        let slot = self.slots[at].clone();
        let jump = |code, off| Insn {
            code,
            off,
            ..Insn::default()
        };
        let over = |code| Insn {
            code,
            off: 1,
            ..slot.insn
        };
        let insns = match (slot.insn.code & 0xf0, opposite(slot.insn.code)) {
            (0x00, _) => vec![Insn {
                code: 0x06,
                off: 0,
                ..slot.insn
            }],
            (_, Some(code)) => vec![over(code), jump(0x06, 0)],
            (_, None) => vec![over(slot.insn.code), jump(0x05, 1), jump(0x06, 0)],
        };

        let first = self.next_id;
        let end = Target::Old {
            idx: self.entries.len() as i64,
            body: false,
        };
        let behind = self.slots.get(at + 1).map_or(end, |s| Target::Id(s.id));
        let mut new: Vec<_> = insns
            .iter()
            .zip(0..)
            .map(|(insn, k)| Slot {
                id: first + k,
                insn: *insn,
                aux: slot.aux,
                old: None,
                target: None,
            })
            .collect();
        self.next_id += new.len() as u64;
        new[0].id = slot.id;
        let last = new.len() - 1;
        // What is in front of the gotol leads around it, or to it.
        match last {
            1 => new[0].target = Some(behind),
            2 => {
                new[0].target = Some(Target::Id(new[2].id));
                new[1].target = Some(behind);
            }
            _ => {}
        }
        new[last].target = slot.target;
        Self::spread_aux(&mut new, slot.aux, self.zero_extends);
        if last > 0 {
            self.meta.insert(at, last);
        }
        self.slots.splice(at..=at, new);
    }
}

/// The jump that is taken when the one of `code` is not, if there is one.
fn opposite(code: u8) -> Option<u8> {
    let op = match code & 0xf0 {
        // == and !=
        0x10 => 0x50,
        0x50 => 0x10,
        // > and <=, >= and <
        0x20 => 0xb0,
        0xb0 => 0x20,
        0x30 => 0xa0,
        0xa0 => 0x30,
        // The same, signed
        0x60 => 0xd0,
        0xd0 => 0x60,
        0x70 => 0xc0,
        0xc0 => 0x70,
        _ => return None,
    };
    Some(op | code & 0x0f)
}
