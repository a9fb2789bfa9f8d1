// SPDX-License-Identifier: GPL-2.0

//! What the engine does, done naively: one edit after the other, each by shifting everything behind
//! it in plain vectors.
//!
//! Each insn has an id. What a reference leads to is not kept as a distance but by name: an insn of
//! the program that the session began with, or an id. Distances are written back when the session
//! ends. All numbers of the instruction set are spelled out here, so that nothing is shared with
//! the engine but the types.
//!
//! What happens is what kernel/bpf/core.c and kernel/bpf/fixups.c do, with the exceptions of
//! Documentation/design.md.

mod meta;
mod reference;
mod relax;

pub(crate) use meta::{Meta, Sub, DELETED, GARBAGE};
pub(crate) use reference::MAX_OFF;

use crate::engine::abi::{Insn, InsnAux};
use reference::Reference;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Prepend { behind: bool },
    Replace { to_body: bool },
    Remove { cnt: u32 },
}

#[derive(Clone)]
pub(crate) struct Edit {
    /// In the program as it was when the session began.
    pub(crate) idx: u32,
    pub(crate) kind: Kind,
    pub(crate) patch: Vec<Insn>,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of insn {}:", self.kind, self.idx)?;
        let show = |i: &Insn| format!(" {:02x}/{}{:+}/{}", i.code, i.src_reg(), i.off, i.imm);
        self.patch.iter().try_for_each(|i| f.write_str(&show(i)))
    }
}

impl Edit {
    pub(crate) fn removes(&self) -> bool {
        matches!(self.kind, Kind::Remove { .. })
    }

    pub(crate) fn end(&self) -> u32 {
        match self.kind {
            Kind::Remove { cnt } => self.idx + cnt,
            _ => self.idx + 1,
        }
    }
}

/// What a reference leads to.
#[derive(Clone, Copy)]
enum Target {
    /// An insn of the program that the session began with, or as far out of it.
    Old { idx: i64, body: bool },
    /// An insn that is there now.
    Id(u64),
}

/// The part of an insn's aux data that identifies the insn, or that rewriting changes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Aux {
    orig_idx: u32,
    /// 0 for added insns
    map_key_state: u64,
    seen: u32,
    nospec: bool,
    zext_dst: bool,
    indirect_target: bool,
    jump_target: bool,
}

impl Aux {
    pub(crate) fn of(aux: &InsnAux) -> Self {
        Self {
            orig_idx: aux.orig_idx,
            map_key_state: aux.map_key_state,
            seen: aux.seen,
            nospec: aux.nospec,
            zext_dst: aux.zext_dst,
            indirect_target: aux.indirect_target() != 0,
            jump_target: aux.jump_target() != 0,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Slot {
    id: u64,
    pub(crate) insn: Insn,
    pub(crate) aux: Aux,
    /// Its index when the session began.
    old: Option<u32>,
    target: Option<Target>,
}

/// Which insns, by id, stand for an old one.
#[derive(Clone, Copy)]
struct Entry {
    /// For all but jumps.
    front: u64,
    jump: u64,
    /// Behind all that was put in front.
    body: u64,
}

/// A reference does not fit.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct TooFar {
    /// The first edit, of old insn `idx`, after which one did not.
    pub(crate) idx: u32,
}

/// Is `edit` the last of those in front of its insn that jumps skip? Only then are they redirected.
fn is_last_behind(edit: &Edit, rest: &[Edit]) -> bool {
    let is_behind = |e: &Edit| matches!(e.kind, Kind::Prepend { behind: true });
    is_behind(edit) && !rest.iter().any(|e| e.idx == edit.idx && is_behind(e))
}

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) slots: Vec<Slot>,
    pub(crate) meta: Meta,
    next_id: u64,
    zero_extends: fn(&Insn) -> bool,
    /// Of the session.
    entries: Vec<Entry>,
    runs: Vec<(u32, u32)>,
}

impl Model {
    pub(crate) fn new(
        insns: impl IntoIterator<Item = (Insn, InsnAux)>,
        meta: Meta,
        zero_extends: fn(&Insn) -> bool,
    ) -> Self {
        let slots: Vec<_> = (0..)
            .zip(insns)
            .map(|(id, (insn, aux))| Slot {
                id,
                insn,
                aux: Aux::of(&aux),
                old: None,
                target: None,
            })
            .collect();
        Self {
            next_id: slots.len() as u64,
            slots,
            meta,
            zero_extends,
            entries: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Does the edits in this order. Changes nothing if a reference does not fit: in the end, or,
    /// in a session that removes nothing, after some edit.
    pub(crate) fn session(&mut self, edits: &[Edit]) -> Result<(), TooFar> {
        let mut next = self.clone();
        next.begin();
        let mut blamed = None;
        for (i, edit) in edits.iter().enumerate() {
            next.edit(edit);
            let mut fits = next.fits();
            if is_last_behind(edit, &edits[i + 1..]) {
                next.redirect_jumps(edit.idx);
                fits &= next.fits();
            }
            if blamed.is_none() && !fits {
                blamed = Some(edit.idx);
            }
        }
        let removes = edits.iter().any(Edit::removes);
        // In a program of this length nothing that is in it is too far.
        let is_long = next.slots.len() as i64 > MAX_OFF;
        match blamed {
            Some(idx) if is_long && (!removes || !next.fits()) => return Err(TooFar { idx }),
            _ => {}
        }
        next.write_back();
        *self = next;
        Ok(())
    }

    fn edit(&mut self, edit: &Edit) {
        match edit.kind {
            Kind::Prepend { .. } => self.prepend(edit),
            Kind::Replace { to_body } => self.replace(edit, to_body),
            Kind::Remove { cnt } => self.remove(edit.idx, cnt),
        }
    }

    /// Lets jumps to old insn `idx` skip what has been put in front of it, indirect ones too.
    fn redirect_jumps(&mut self, idx: u32) {
        let entry = &mut self.entries[idx as usize];
        entry.jump = entry.body;
        let ids = [entry.front, entry.body];
        let [from, to] = ids.map(|id| {
            let found = self.slots.iter().position(|s| s.id == id);
            found.expect("an insn that is there")
        });
        self.meta.redirect(from, to);
        let is_target = core::mem::take(&mut self.slots[from].aux.indirect_target);
        self.slots[to].aux.indirect_target |= is_target;
    }

    fn begin(&mut self) {
        self.runs.clear();
        self.entries.clear();
        for (i, slot) in (0..).zip(&mut self.slots) {
            slot.old = Some(i);
            self.entries.push(Entry {
                front: slot.id,
                jump: slot.id,
                body: slot.id,
            });
            slot.target = Reference::of(&slot.insn).map(|r| {
                let idx = i64::from(i) + 1 + r.distance(&slot.insn);
                match r.is_jump && idx == i64::from(i) {
                    true => Target::Id(slot.id),
                    false => Target::Old { idx, body: false },
                }
            });
        }
    }

    fn position_of_old(&self, idx: u32) -> usize {
        let found = self.slots.iter().position(|s| s.old == Some(idx));
        found.expect("an insn that is neither replaced nor removed")
    }

    /// A reference to an insn of a run that is gone is as far behind the run as the insn was behind
    /// the run's first.
    fn next_kept(&self, mut idx: i64) -> i64 {
        while let Some(&(_, cnt)) = self
            .runs
            .iter()
            .find(|&&(at, cnt)| (i64::from(at)..i64::from(at + cnt)).contains(&idx))
        {
            idx += i64::from(cnt);
        }
        idx
    }

    /// Makes slots of a patch that leads to old insns by `outside`, which gets the number of the
    /// insn behind the patch's first that a reference leads to.
    fn slots_of(&mut self, patch: &[Insn], outside: impl Fn(i64) -> Target) -> Vec<Slot> {
        let first = self.next_id;
        self.next_id += patch.len() as u64;
        let slot = |(k, insn): (u64, &Insn)| Slot {
            id: first + k,
            insn: *insn,
            aux: Aux::default(),
            old: None,
            target: Reference::of(insn).map(|r| {
                let to = k as i64 + 1 + r.distance(insn);
                match (0..patch.len() as i64).contains(&to) {
                    true => Target::Id(first + to as u64),
                    false => outside(to),
                }
            }),
        };
        (0..).zip(patch).map(slot).collect()
    }

    /// What was led to insn `from` by id is led to `to`.
    fn redirect(&mut self, from: u64, to: u64) {
        for slot in self.slots.iter_mut().filter(|s| s.id != from) {
            if matches!(slot.target, Some(Target::Id(id)) if id == from) {
                slot.target = Some(Target::Id(to));
            }
        }
    }

    /// Aux data of a group that was one insn with `aux`.
    fn spread_aux(group: &mut [Slot], aux: Aux, zero_extends: fn(&Insn) -> bool) {
        for slot in group.iter_mut() {
            slot.aux = Aux {
                seen: aux.seen,
                zext_dst: zero_extends(&slot.insn),
                ..Aux::default()
            };
        }
        let last = group.last_mut().expect("no group is empty");
        last.aux = Aux {
            zext_dst: last.aux.zext_dst,
            indirect_target: false,
            ..aux
        };
        group[0].aux.indirect_target = aux.indirect_target;
    }

    fn prepend(&mut self, edit: &Edit) {
        let at = self.position_of_old(edit.idx);
        let old = self.slots[at].clone();
        let idx = i64::from(edit.idx);
        let len = edit.patch.len() as i64;
        let mut new = self.slots_of(&edit.patch, |to| match to {
            _ if to == len => Target::Id(old.id),
            _ if to > len => Target::Old {
                idx: idx + to - len,
                body: false,
            },
            _ => Target::Old {
                idx: idx + to,
                body: false,
            },
        });
        let first = new[0].id;
        self.redirect(old.id, first);
        let entry = &mut self.entries[edit.idx as usize];
        if entry.front == old.id {
            entry.front = first;
        }
        if entry.jump == old.id {
            entry.jump = first;
        }

        let aux = old.aux;
        new.push(old);
        Self::spread_aux(&mut new, aux, self.zero_extends);
        self.meta.insert(at, edit.patch.len());
        self.slots.splice(at..=at, new);
    }

    fn replace(&mut self, edit: &Edit, to_body: bool) {
        let at = self.position_of_old(edit.idx);
        let old = self.slots[at].clone();
        let idx = i64::from(edit.idx);
        let len = edit.patch.len() as i64;

        let mut new = self.slots_of(&edit.patch, |to| Target::Old {
            idx: if to < 0 { idx + to } else { idx + 1 + to - len },
            body: to_body,
        });
        let first = new[0].id;
        self.redirect(old.id, first);
        let entry = &mut self.entries[edit.idx as usize];
        for id in [&mut entry.front, &mut entry.jump, &mut entry.body] {
            if *id == old.id {
                *id = first;
            }
        }

        Self::spread_aux(&mut new, old.aux, self.zero_extends);
        self.meta.insert(at, edit.patch.len() - 1);
        self.slots.splice(at..=at, new);
    }

    fn remove(&mut self, idx: u32, cnt: u32) {
        let at = self.position_of_old(idx);
        self.slots.drain(at..at + cnt as usize);
        self.runs.push((idx, cnt));
        self.meta.remove(at, cnt as usize, self.slots.len());
    }

    /// Where a reference leads by now.
    fn resolve(&self, target: Target, is_jump: bool, places: &[usize]) -> i64 {
        let (idx, body) = match target {
            Target::Id(id) => return places[id as usize] as i64,
            Target::Old { idx, body } => (self.next_kept(idx), body),
        };
        let old_len = self.entries.len() as i64;
        if idx < 0 {
            return idx;
        }
        if idx >= old_len {
            return self.slots.len() as i64 + idx - old_len;
        }
        let entry = self.entries[idx as usize];
        let id = match (body, is_jump) {
            (true, _) => entry.body,
            (false, true) => entry.jump,
            (false, false) => entry.front,
        };
        places[id as usize] as i64
    }

    /// Where each insn is by now, by id.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![usize::MAX; self.next_id as usize];
        for (at, slot) in self.slots.iter().enumerate() {
            places[slot.id as usize] = at;
        }
        places
    }

    /// Each reference, with its insn's position and its distance by now.
    fn distances(&self) -> Vec<(usize, Reference, i64)> {
        let places = self.places();
        let distance = |(at, slot): (usize, &Slot)| {
            let r = Reference::of(&slot.insn)?;
            let to = self.resolve(slot.target?, r.is_jump, &places);
            Some((at, r, to - at as i64 - 1))
        };
        self.slots.iter().enumerate().filter_map(distance).collect()
    }

    /// Does each reference fit? With jumps of 16 bits there is no need to look where nothing is that
    /// far away.
    fn fits(&self) -> bool {
        let is_long = cfg!(feature = "short_reach") || self.slots.len() as i64 > MAX_OFF;
        !is_long || self.distances().iter().all(|(_, r, d)| r.fits(*d))
    }

    fn write_back(&mut self) {
        for (at, r, distance) in self.distances() {
            r.set(&mut self.slots[at].insn, distance);
        }
        // Ids of insns that are gone are not needed any more.
        for (id, slot) in (0..).zip(&mut self.slots) {
            slot.id = id;
            slot.target = None;
        }
        self.next_id = self.slots.len() as u64;
    }
}
