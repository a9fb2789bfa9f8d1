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
    host::Host,
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    reach::{
        each,
        kept_slack,
        Place, //
    },
    reference::{
        op,
        Reference,
        JA, //
    },
    relocate::patch_distance,
    PAUSE_EVERY, //
};
use form::Form;
use kernel::prelude::*;
use patch::Patch;

/// Rounds that relax only what does not fit.
pub(crate) const EXACT: u32 = 8;

/// Rounds at most. The last margin is more than any jump of 16 bits has to spare.
pub(crate) const ROUNDS: u32 = EXACT + 11;

/// Returns how many insns each jump has to have to spare in a round, counted from 0.
///
/// Proof: `MarginAll` in `proof/relax.dfy`.
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
/// The host is told of each jump that is relaxed.
///
/// # Errors
///
/// `ENOMEM`, `E2BIG`; `EINTR` if the host gives up; `ERANGE` if a reference cannot be relaxed; `EINVAL` if `log`
/// removes insns, as no log both adds and removes some.
///
/// # Panics
///
/// If `insns` is shorter than the old program.
///
/// Proof: `RoundsAreEnough` in `proof/relax.dfy`.
pub(crate) fn relax(insns: &[Insn], log: &Log, host: &mut impl Host) -> Result<Relaxed> {
    let mut relaxed = Relaxed::default();
    // After the last round nothing is relaxed any more, but all has to fit.
    for round in 0..=ROUNDS {
        let last = relaxed.log.as_ref().unwrap_or(log);
        let far = Far::find(insns, &Layout::new(last)?, margin(round), host)?;
        if far.is_empty() {
            break;
        }
        let longer = lengthen(last, insns, &far, &mut relaxed.jumps, host)?;
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
        host: &mut impl Host,
    ) -> Result<Self> {
        let mut far = Self {
            kept: Array::new(),
            patched: Array::new(),
        };
        each(insns, layout, host, |place, pos, insn, r| {
            let Some(jump) = Jump::of(layout, place, pos, insn, r) else {
                return Ok(());
            };
            match r.is_short() {
                true if jump.slack >= margin => Ok(()),
                true if op(insn) != JA && jump.is_followed_by_skipped => match jump.slack {
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
                false if jump.slack < 0 => Err(ERANGE),
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
    slack: i64,
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
        let (is_kept, site, slack, behind, to_body) = match place {
            Place::Kept(old) => {
                let slack = kept_slack(layout, old, pos, insn, r);
                (true, old, slack, Some(old + 1), false)
            }
            Place::Patch { edit, k } => {
                edit.target(k, r.distance(insn))?;
                let slack = r.slack(patch_distance(layout, edit, k, pos, insn, r));
                let is_last = !edit.prepends() && k + 1 == edit.len();
                let behind = is_last.then_some(edit.idx + 1);
                let to_body = edit.kind == Kind::ReplaceToBody;
                (false, edit.at + k, slack, behind, to_body)
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
            slack,
            is_followed_by_skipped,
        })
    }
}

/// Returns `log` with the jumps of `far` relaxed, which it counts in `jumps`.
fn lengthen(
    log: &Log,
    insns: &[Insn],
    far: &Far,
    jumps: &mut u32,
    host: &mut impl Host,
) -> Result<Log> {
    let mut longer = Log::new(log.program_len());
    let grown = far.len() * (Form::MOST - 1);
    longer.reserve(
        log.edits().len() + far.kept.len(),
        log.patches_len() + far.kept.len() + grown,
    )?;
    let mut tell = |host: &mut _, idx| {
        *jumps += 1;
        Host::relaxes(host, idx);
    };
    let mut kept = far.kept.iter().copied().peekable();
    let mut patched = far.patched.iter().copied().peekable();
    let mut patch = Patch::default();

    for edit in Iterator::chain(log.edits().iter().map(Some), [None]) {
        // After what is put before it, and before edits of later insns.
        let next = edit.map_or(u32::MAX, |edit| edit.idx);
        while let Some(old) = kept.next_if(|old| *old < next) {
            tell(host, old);
            record(
                &mut longer,
                old,
                Kind::Replace,
                kept_form(&insns[old as usize])?.insns(),
                host,
            )?;
        }
        let Some(edit) = edit else {
            break;
        };
        let end = edit.at + edit.len();
        if patched.peek().is_none_or(|at| *at >= end) {
            record(&mut longer, edit.idx, edit.kind, log.patch(edit), host)?;
            continue;
        }
        patch.take(edit, log.patch(edit))?;
        while let Some(at) = patched.next_if(|at| *at < end) {
            patch.relax(at - edit.at);
        }
        record(&mut longer, edit.idx, edit.kind, patch.lengthened()?, host)?;
        patch.relaxed().for_each(|_| tell(host, edit.idx));
    }
    longer.give_table(log.take_table());
    Ok(longer)
}

/// Records an edit in `log`. The host is asked about each [`PAUSE_EVERY`] edits whether to give up.
fn record(log: &mut Log, idx: u32, kind: Kind, patch: &[Insn], host: &mut impl Host) -> Result {
    if log.edits().len() % PAUSE_EVERY == PAUSE_EVERY - 1 && host.aborts() {
        return Err(EINTR);
    }
    log.record(idx, kind, patch)
}

/// Returns what replaces the jump `insn`, which would stay, when it is relaxed.
///
/// Proof: `KeptForm` in `proof/relax.dfy`.
fn kept_form(insn: &Insn) -> Result<Form> {
    let r = Reference::of(insn).ok_or(EINVAL)?;
    let mut form = Form::of(insn);
    let distance = r.distance(insn);
    // What is behind the insn is as far from the last insn of its patch as it was from the insn.
    let added = if distance < 0 { form.len() - 1 } else { 0 };
    form.aim(distance - added as i64);
    Ok(form)
}
