// SPDX-License-Identifier: GPL-2.0

//! Jumps that no longer fit 16 bits become jumps of 32 bits, so that their program loads.
//!
//! A log goes in, and a longer one comes out, in which relaxed jumps are edits like others:
//!
//! ```text
//! goto T           gotol T
//! if a == b goto T if a != b goto +1; gotol T
//! if a & b goto T  if a & b goto +1; goto +1; gotol T
//! may_goto T       may_goto +1; goto +1; gotol T
//! ```
//!
//! An old insn that stays is replaced by these insns. In a patch, they stand where the jump stood,
//! and what the patch has in front of and behind them is aimed anew. For example, insn 5 becomes
//! `a; if r1 == 0 goto +40000; b`. If that does not fit, it becomes
//! `a; if r1 != 0 goto +1; gotol +40000; b`.
//!
//! # Rounds
//!
//! What is put in for one jump may push another one out of reach. So the new log is laid out, all
//! references are looked at again, and so on, until all fit. Each round takes O(insns).
//!
//! A round relaxes just what does not fit, so that the result is the shortest, in all but the
//! strangest programs: two or three rounds are enough for those that people write. But jumps can be
//! laid so that each round pushes one more, for as many rounds as there are jumps. So from round
//! [`EXACT`] on, jumps that almost do not fit are relaxed as well, and in each round twice as much is
//! almost. Sooner or later, that is all jumps out of a patch or of an insn that stays. They are 32
//! bits wide after that round, and none is left that could be too far: there are at most
//! [`ROUNDS`] rounds, and rewriting stays linear.

mod form;
mod patch;

use super::{
    abi::{
        self,
        Array,
        Insn, //
    },
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    reach::{
        each,
        kept_spare,
        Place, //
    },
    reference::{
        op,
        Reference,
        JA, //
    },
    relocate::patch_distance,
    AT_ONCE, //
};
use form::Form;
use kernel::prelude::*;
use patch::Patch;

/// Rounds that relax only what does not fit.
pub(crate) const EXACT: u32 = 8;

/// Rounds at most. The last margin is more than any jump of 16 bits has to spare.
pub(crate) const ROUNDS: u32 = EXACT + 11;

/// Returns how many insns each jump has to have to spare in a round, counted from 0.
pub(crate) fn margin(round: u32) -> i64 {
    match round.checked_sub(EXACT) {
        Some(over) => 64 << over,
        None => 0,
    }
}

/// What has become of a log.
#[derive(Default)]
pub(crate) struct Relaxed {
    /// The log in which all references fit; `None` if they fit as it was.
    pub(crate) log: Option<Log>,
    /// Number of jumps that were relaxed.
    pub(crate) jumps: u32,
    /// Number of rounds that took.
    pub(crate) rounds: u32,
}

/// Returns what does the same as `log` on the old program `insns`, and in which all jumps reach.
///
/// `tell` is called with the index of the old insn of each jump that is relaxed. `table` and
/// `aborts` are as for [`Layout::within`] and [`reach::check`](super::reach::check).
///
/// # Errors
///
/// `ENOMEM`, `E2BIG`, `EINTR`; `ERANGE` if a reference cannot be relaxed; `EINVAL` if `log`
/// removes insns, as no log both adds and removes some.
///
/// # Panics
///
/// If `insns` is shorter than the old program.
pub(crate) fn relax(
    insns: &[Insn],
    log: &Log,
    table: &mut Array<u32>,
    aborts: &mut dyn FnMut() -> bool,
    tell: &mut dyn FnMut(u32),
) -> Result<Relaxed> {
    let mut relaxed = Relaxed::default();
    // Behind the last round nothing is relaxed any more, but all has to fit.
    for round in 0..=ROUNDS {
        let last = relaxed.log.as_ref().unwrap_or(log);
        let layout = Layout::within(last, table)?;
        let far = Far::find(insns, &layout, margin(round), aborts);
        *table = layout.into_table();
        let far = far?;
        if far.is_empty() {
            break;
        }
        let jumps = &mut relaxed.jumps;
        let mut tell = |idx| {
            *jumps += 1;
            tell(idx);
        };
        let longer = lengthen(last, insns, &far, aborts, &mut tell)?;
        relaxed.log = Some(longer);
        relaxed.rounds += 1;
    }
    Ok(relaxed)
}

/// The jumps to relax in a round.
struct Far {
    /// Indices of old insns that stay, ascending.
    kept: Array<u32>,
    /// Indices of insns of patches in the log's pool, ascending.
    patched: Array<u32>,
}

impl Far {
    /// Finds those that have less than `margin` insns to spare.
    fn find(
        insns: &[Insn],
        layout: &Layout<'_>,
        margin: i64,
        aborts: &mut dyn FnMut() -> bool,
    ) -> Result<Self> {
        let mut far = Self {
            kept: Array::new(),
            patched: Array::new(),
        };
        each(insns, layout, aborts, |place, pos, insn, r| {
            let Some(jump) = Jump::of(layout, place, pos, insn, r) else {
                return Ok(());
            };
            match r.is_short() {
                true if jump.spare >= margin => Ok(()),
                true if op(insn) != JA && jump.is_followed_by_skipped => match jump.spare {
                    ..0 => Err(ERANGE),
                    // It may stay as it is for as long as it fits.
                    _ => Ok(()),
                },
                true => abi::push(
                    match jump.is_kept {
                        true => &mut far.kept,
                        false => &mut far.patched,
                    },
                    jump.site,
                ),
                false if jump.spare < 0 => Err(ERANGE),
                false => Ok(()),
            }
        })?;
        Ok(far)
    }

    fn len(&self) -> usize {
        self.kept.len() + self.patched.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A reference that might have to be relaxed.
struct Jump {
    /// It is of an old insn that stays.
    is_kept: bool,
    /// Index of the old insn, or of the patch's insn in the log's pool.
    site: u32,
    /// How many insns more it could lead over.
    spare: i64,
    /// Behind it stands what jumps skip. A relaxed jump that is not taken would skip it as well. No
    /// pass puts that where a jump is in front of it.
    is_followed_by_skipped: bool,
}

impl Jump {
    /// Returns `None` for a reference that will always fit.
    fn of(
        layout: &Layout<'_>,
        place: Place<'_>,
        pos: u32,
        insn: &Insn,
        r: Reference,
    ) -> Option<Self> {
        let (is_kept, site, spare, behind, to_body) = match place {
            Place::Kept(old) => {
                let spare = kept_spare(layout, old, pos, insn, r);
                (true, old, spare, Some(old + 1), false)
            }
            Place::Patch { edit, k } => {
                edit.target(k, r.distance(insn))?;
                let spare = r.spare(patch_distance(layout, edit, k, pos, insn, r));
                let is_last = !edit.prepends() && k + 1 == edit.len();
                let behind = is_last.then_some(edit.idx + 1);
                let to_body = edit.kind() == (Kind::Replace { to_body: true });
                (false, edit.at + k, spare, behind, to_body)
            }
            Place::Replaced(_) => return None,
        };
        let is_followed_by_skipped = behind.map(i64::from).is_some_and(|old| match to_body {
            true => layout.body_target(old) > layout.call_target(old),
            false => layout.skipped_len(old) > 0,
        });
        Some(Self {
            is_kept,
            site,
            spare,
            is_followed_by_skipped,
        })
    }
}

/// Returns `log` with the jumps of `far` relaxed. `aborts` is asked about each [`AT_ONCE`] edits whether
/// to give up.
fn lengthen(
    log: &Log,
    insns: &[Insn],
    far: &Far,
    aborts: &mut dyn FnMut() -> bool,
    tell: &mut dyn FnMut(u32),
) -> Result<Log> {
    let mut longer = Log::new(log.program_len());
    let grown = far.len() * (Form::MOST - 1);
    longer.reserve(
        log.edits().len() + far.kept.len(),
        log.patches_len() + far.kept.len() + grown,
    )?;
    let mut kept = far.kept.iter().copied().peekable();
    let mut patched = far.patched.iter().copied().peekable();
    let mut patch = Patch::default();
    let mut record = |idx, kind, insns: &[Insn]| {
        if (longer.edits().len() + 1).is_multiple_of(AT_ONCE) && aborts() {
            return Err(EINTR);
        }
        longer.record(idx, kind, insns)
    };

    for edit in log.edits() {
        // Behind what is put in front of it, and before edits of insns behind it.
        while let Some(old) = kept.next_if(|old| *old < edit.idx) {
            tell(old);
            record(old, REPLACE, kept_form(&insns[old as usize])?.insns())?;
        }
        let end = edit.at + edit.len();
        if patched.peek().is_none_or(|at| *at >= end) {
            record(edit.idx, edit.kind(), log.patch(edit))?;
            continue;
        }
        patch.take(edit, log.patch(edit))?;
        while let Some(at) = patched.next_if(|at| *at < end) {
            patch.relax(at - edit.at);
        }
        record(edit.idx, edit.kind(), patch.lengthened()?)?;
        patch.relaxed().for_each(|_| tell(edit.idx));
    }
    for old in kept {
        tell(old);
        record(old, REPLACE, kept_form(&insns[old as usize])?.insns())?;
    }
    Ok(longer)
}

const REPLACE: Kind = Kind::Replace { to_body: false };

/// Returns what replaces the jump `insn`, which would stay, when it is relaxed.
fn kept_form(insn: &Insn) -> Result<Form> {
    let r = Reference::of(insn).ok_or(EINVAL)?;
    let mut form = Form::of(insn);
    let distance = r.distance(insn);
    // What is behind the insn is as far from the last insn of its patch as it was from the insn.
    let added = if distance < 0 { form.len() - 1 } else { 0 };
    form.aim(distance - added as i64);
    Ok(form)
}
