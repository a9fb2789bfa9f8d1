// SPDX-License-Identifier: GPL-2.0

//! Does every reference still fit its field, and if not, which insn is to blame?
//!
//! Stock applies edits one by one, from the front, and refuses the first after which some reference
//! does not fit. The verifier's log names the insn of that edit. Here all edits are known at once,
//! so this module finds the edit that stock would have refused.
//!
//! For example, insn 0 jumps 32 765 insns ahead, and insns 3, 7, 11 and 20 become two insns each.
//! With stock the jump is 32 766 insns long after the first edit and 32 767, the most that 16 bits
//! hold, after the second. The third does not fit: insn 11 is to blame. The fourth is never made.

use super::{
    abi::Insn,
    host::Host,
    layout::Layout,
    log::Edit,
    reference::{
        Reference,
        REACH, //
    },
    relocate::{
        kept_distance,
        patch_distance, //
    },
};
use kernel::prelude::*;

/// Number of insns after which a check polls whether to go on.
pub(crate) const POLL: u32 = 1 << 16;

/// A reference that does not fit its field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooFar {
    /// The old insn that has the reference, or whose patch has it. `None` if that is not known, as
    /// the kernel's own functions do not tell.
    pub(crate) jump: Option<u32>,
    /// The old insn whose edit is the first to make it too far.
    pub(crate) blamed: u32,
}

/// Why edits were not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// `ERANGE`
    TooFar(TooFar),
    /// Any other error.
    Other(Error),
}

impl Failure {
    /// Returns the error for the caller.
    pub(crate) fn error(self) -> Error {
        match self {
            Failure::TooFar(_) => ERANGE,
            Failure::Other(error) => error,
        }
    }

    /// Returns the insn to blame for `ERANGE`.
    pub(crate) fn blamed(self) -> Option<u32> {
        match self {
            Failure::TooFar(too_far) => Some(too_far.blamed),
            Failure::Other(_) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}

/// Checks that every reference of the old program `insns`, and of what is patched into it, fits its
/// field in the new program.
///
/// The host is asked at the start and about each [`POLL`] insns whether to give up.
///
/// # Errors
///
/// [`Failure::TooFar`]; `EINTR` if the host gives up.
///
/// # Panics
///
/// If `insns` is shorter than the old program.
///
/// Proof: `CheckExact` and `StockFar` in `proof/reach.dfy`, `SameBlame` in `proof/blame.dfy`,
/// `RemovalFits` in `proof/removed.dfy`.
pub(crate) fn check(
    insns: &[Insn],
    layout: &Layout<'_>,
    host: &mut impl Host,
) -> Result<(), Failure> {
    if host.aborts() {
        return Err(EINTR.into());
    }
    // In a program of this length nothing is further apart than 16 bits hold.
    if !layout.moves() || layout.new_len() <= REACH {
        return Ok(());
    }

    let mut first: Option<TooFar> = None;
    each(insns, layout, host, |place, pos, insn, r| {
        let (jump, blamed) = match place {
            // Until it is replaced, the old insn has to fit, with what is in front of it patched.
            Place::Replaced(_) if r.distance(insn) >= -1 => return Ok(()),
            Place::Kept(old) | Place::Replaced(old) => (old, check_kept(layout, old, pos, insn, r)),
            Place::Patch { edit, k } => (edit.idx, check_patch(layout, edit, k, pos, insn, r)),
        };
        let earlier = |b: &u32| first.is_none_or(|f| *b < f.blamed);
        if let Some(blamed) = blamed.filter(earlier) {
            first = Some(TooFar {
                jump: Some(jump),
                blamed,
            });
        }
        Ok(())
    })?;
    match first {
        Some(too_far) => Err(Failure::TooFar(too_far)),
        None => Ok(()),
    }
}

/// Which insn has a reference.
pub(super) enum Place<'a> {
    /// An old insn that stays.
    Kept(u32),
    /// An old insn that is replaced.
    Replaced(u32),
    /// Insn `k` of the patch of an edit.
    Patch { edit: &'a Edit, k: u32 },
}

/// Calls `visit` for each insn that has a reference, in the order of the new program, with the
/// insn's place and its index there; for an old insn that is replaced, with that of its patch.
///
/// The host is asked about each [`POLL`] insns whether to give up.
///
/// # Errors
///
/// `EINTR` if it does; those of `visit`.
///
/// # Panics
///
/// If `insns` is shorter than the old program.
pub(super) fn each<'a>(
    insns: &[Insn],
    layout: &Layout<'a>,
    host: &mut impl Host,
    mut visit: impl FnMut(Place<'a>, u32, &Insn, Reference) -> Result,
) -> Result {
    let mut poll_at = POLL;
    for piece in layout.pieces() {
        if !piece.kept.is_empty() {
            let kept = &insns[piece.kept.start as usize..piece.kept.end as usize];
            for ((pos, old), insn) in (piece.pos..).zip(piece.kept.clone()).zip(kept) {
                if pos >= poll_at {
                    poll(&mut poll_at, host)?;
                }
                if let Some(r) = Reference::of(insn) {
                    visit(Place::Kept(old), pos, insn, r)?;
                }
            }
        }
        let Some(edit) = piece.edit else {
            break;
        };
        let pos = piece.patch_pos();
        if pos >= poll_at {
            poll(&mut poll_at, host)?;
        }
        if !edit.prepends() && !edit.removes() {
            let insn = &insns[edit.idx as usize];
            if let Some(r) = Reference::of(insn) {
                visit(Place::Replaced(edit.idx), pos, insn, r)?;
            }
        }
        if edit.refers_out {
            for ((pos, k), insn) in (pos..).zip(0..).zip(layout.log().patch(edit)) {
                if let Some(r) = Reference::of(insn) {
                    visit(Place::Patch { edit, k }, pos, insn, r)?;
                }
            }
        }
    }
    Ok(())
}

/// Asks whether to give up, and puts the next poll off.
fn poll(at: &mut u32, host: &mut impl Host) -> Result {
    *at += POLL;
    if host.aborts() {
        return Err(EINTR);
    }
    Ok(())
}

/// Returns the insn to blame if the reference `r` of old insn `old`, now at `pos`, does not fit.
fn check_kept(layout: &Layout<'_>, old: u32, pos: u32, insn: &Insn, r: Reference) -> Option<u32> {
    let distance = r.distance(insn);
    let target = i64::from(old) + 1 + distance;
    let fits = kept_slack(layout, old, pos, insn, r) >= 0;
    (!fits).then(|| blamed(layout, old, target, distance))
}

/// Returns how many insns more the reference `r` of old insn `old`, now at `pos`, could lead over.
pub(super) fn kept_slack(
    layout: &Layout<'_>,
    old: u32,
    pos: u32,
    insn: &Insn,
    r: Reference,
) -> i64 {
    // Where jumps skip what is put in front of an insn, stock first aims a backward jump in front
    // of it, then redirects it. Both distances must fit. Nothing behind the insn has been patched
    // by then.
    let distance = r.distance(insn);
    let in_front = distance - layout.skipped_len(i64::from(old) + 1 + distance);
    let slack = r.slack(kept_distance(layout, old, pos, insn, r));
    slack.min(r.slack(in_front))
}

/// Returns the insn to blame if the reference `r` of insn `k` of the patch of `edit`, now at `pos`,
/// does not fit.
fn check_patch(
    layout: &Layout<'_>,
    edit: &Edit,
    k: u32,
    pos: u32,
    insn: &Insn,
    r: Reference,
) -> Option<u32> {
    if r.fits(patch_distance(layout, edit, k, pos, insn, r)) {
        return None;
    }
    // Stock patches front to back: earlier edits are already in place, and later edits at this
    // index will follow this one.
    let distance = r.distance(insn);
    let end = pos - k + edit.len() + u32::from(edit.prepends());
    let distance_then = distance + i64::from(layout.start(edit.idx + 1) - end);
    match edit.target(k, distance) {
        Some(target) if target > edit.idx.into() && r.fits(distance_then) => {
            Some(blamed(layout, edit.idx, target, distance_then))
        }
        _ => Some(edit.idx),
    }
}

/// Returns the first insn whose edit makes the jump from old insn `old` to old insn `target` too
/// far. `distance` is the jump's, before the edits between the two.
///
/// Proof: `BackAtX` and `AheadAtX` in `proof/blame.dfy`.
fn blamed(layout: &Layout<'_>, old: u32, target: i64, distance: i64) -> u32 {
    let len = layout.old_len();
    let target = u32::try_from(target).map_or(0, |t| t.min(len));
    // What the edits of insns below `idx` add.
    let added = |idx: u32| i64::from(layout.start(idx)) - i64::from(idx);

    let (from, to, slack) = if target > old {
        (old + 1, target, i64::from(REACH) - distance)
    } else {
        (target, old, distance + i64::from(REACH) + 1)
    };
    let (mut low, mut high) = (from, to);
    while low < high {
        let mid = low + (high - low) / 2;
        if added(mid + 1) - added(from) > slack {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    low.min(len.saturating_sub(1))
}
