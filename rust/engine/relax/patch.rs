// SPDX-License-Identifier: GPL-2.0

//! Relaxed jumps within the patch of an edit.

use super::form::Form;
use crate::engine::{
    abi::{
        self,
        Array,
        Insn, //
    },
    log::Edit,
    reference::Reference, //
};
use kernel::prelude::*;

/// The patch of an edit while jumps of it are relaxed.
#[derive(Default)]
pub(super) struct Patch {
    /// Of insns that the edit adds, when jumps are not relaxed.
    added: i64,
    insns: Array<Insn>,
    /// Which insns are jumps to be relaxed.
    is_far: Array<bool>,
    /// Where each insn goes, and where the patch ends.
    places: Array<u32>,
    new: Array<Insn>,
}

impl Patch {
    /// Begins with `insns`, the patch of `edit`.
    pub(super) fn take(&mut self, edit: &Edit, insns: &[Insn]) -> Result {
        self.added = edit.added().into();
        self.insns.clear();
        self.is_far.clear();
        abi::extend(&mut self.insns, insns)?;
        insns
            .iter()
            .try_for_each(|_| abi::push(&mut self.is_far, false))
    }

    /// Lets the jump that is insn `k` be relaxed.
    pub(super) fn relax(&mut self, k: u32) {
        self.is_far[k as usize] = true;
    }

    /// Returns the patch with the jumps of `is_far` relaxed. Others of the patch may have to be, as
    /// they lead over these.
    ///
    /// Proof: `Lengthened` in `proof/relax.dfy`.
    pub(super) fn lengthened(&mut self) -> Result<&[Insn]> {
        loop {
            self.place()?;
            let mut is_done = true;
            for k in 0..self.insns.len() {
                let reference = Reference::of(&self.insns[k]).filter(|_| !self.is_far[k]);
                if reference.is_some_and(|r| !r.fits(self.distance(k, 1, r))) {
                    self.is_far[k] = true;
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }

        self.new.clear();
        for k in 0..self.insns.len() {
            let insn = &self.insns[k];
            let Some(r) = Reference::of(insn) else {
                abi::push(&mut self.new, *insn)?;
                continue;
            };
            if self.is_far[k] {
                let mut form = Form::of(insn);
                form.aim(self.distance(k, form.len(), r));
                abi::extend(&mut self.new, form.insns())?;
            } else {
                let mut insn = *insn;
                r.set(&mut insn, self.distance(k, 1, r));
                abi::push(&mut self.new, insn)?;
            }
        }
        Ok(&self.new)
    }

    /// Returns the jumps that [`Patch::lengthened`] has relaxed.
    pub(super) fn relaxed(&self) -> impl Iterator<Item = &bool> {
        self.is_far.iter().filter(|&&is_far| is_far)
    }

    /// Fills `places`.
    fn place(&mut self) -> Result {
        self.places.clear();
        let mut place = 0;
        for (insn, &is_far) in self.insns.iter().zip(self.is_far.iter()) {
            abi::push(&mut self.places, place)?;
            // Less than 2^32: a form has three insns at most, and `insns` less than 2^28, as
            // kvmalloc() gives no more than INT_MAX bytes.
            place += if is_far {
                Form::of(insn).len() as u32
            } else {
                1
            };
        }
        abi::push(&mut self.places, place)
    }

    /// Returns the new distance of the reference `r` of insn `k`, from the last of `len` insns that
    /// stand for it. It is for a program of which only this insn is patched, as patches are.
    fn distance(&self, k: usize, len: usize, r: Reference) -> i64 {
        let to = k as i64 + 1 + r.distance(&self.insns[k]);
        let old_len = self.insns.len() as i64;
        let new_len = i64::from(self.places[self.insns.len()]);
        let to = match usize::try_from(to) {
            Err(_) => to,
            Ok(to) if to as i64 <= self.added => self.places[to].into(),
            Ok(_) => to + new_len - old_len,
        };
        to - (i64::from(self.places[k]) + len as i64 - 1) - 1
    }
}
