// SPDX-License-Identifier: GPL-2.0

//! References of the new program: each leads where it led.
//!
//! A reference is one of three things:
//!
//! - In an insn that stays, it is to old insn `T`. It leads to what stands for `T` now.
//! - In a patch, it is to the patch itself. It stays as it is.
//! - In a patch, it is to an old insn. The patch was written as if no other edit was made: what is
//!   behind it is as many insns further away as the patch adds. That is undone, and then the
//!   reference leads to what stands for that insn now.
//!
//! For example, insn 1 of 5 becomes `a; if r1 == 0 goto +2; b`, which adds two insns. The jump is
//! the patch's insn 1 and leads to insn 1 + 1 + 1 + 2 = 5 of a program of which only insn 1 was
//! patched, which is old insn 3. If old insn 2 grows by one as well, the jump's distance becomes 3.

use super::{
    abi::Insn,
    layout::Layout,
    log::{
        Edit,
        Kind, //
    },
    reference::Reference, //
};
use core::ops::Range;

/// Returns the distance in the new program for the reference `r` of an insn that stays: old insn
/// `old`, now at `pos`.
///
/// Proof: `Kept` in `proof/same.dfy`.
pub(crate) fn kept_distance(
    layout: &Layout<'_>,
    old: u32,
    pos: u32,
    insn: &Insn,
    r: Reference,
) -> i64 {
    let old = i64::from(old);
    let target = old + 1 + r.distance(insn);
    let to = match r.is_jump {
        // A jump to itself stays one, whatever is put in front of it.
        true if target == old => return -1,
        true => layout.jump_target(target),
        false => layout.call_target(target),
    };
    to - i64::from(pos) - 1
}

/// Returns the distance in the new program for the reference `r` of insn `k` of the patch of
/// `edit`, now at `pos`.
///
/// Proof: `Patched` in `proof/same.dfy`.
pub(crate) fn patch_distance(
    layout: &Layout<'_>,
    edit: &Edit,
    k: u32,
    pos: u32,
    insn: &Insn,
    r: Reference,
) -> i64 {
    let distance = r.distance(insn);
    let Some(target) = edit.target(k, distance) else {
        return distance;
    };
    let to = if edit.kind == Kind::ReplaceToBody {
        layout.body_target(target)
    } else if r.is_jump {
        layout.jump_target(target)
    } else {
        layout.call_target(target)
    };
    to - i64::from(pos) - 1
}

/// Lets the references of the insns `old`, which stay and are now at `start`, lead where they led. All
/// fit, as [`check`](super::reach::check) has passed.
///
/// # Panics
///
/// If `insns` is shorter than that.
pub(super) fn kept(insns: &mut [Insn], layout: &Layout<'_>, old: Range<u32>, start: u32) {
    let kept = &mut insns[start as usize..][..old.len()];
    for ((pos, old), insn) in (start..).zip(old).zip(kept) {
        if let Some(r) = Reference::of(insn) {
            r.set(insn, kept_distance(layout, old, pos, insn, r));
        }
    }
}

/// Does so for the patch of `edit`, now at `start`.
///
/// # Panics
///
/// As for [`kept`].
pub(super) fn patch(insns: &mut [Insn], layout: &Layout<'_>, edit: &Edit, start: u32) {
    let patch = &mut insns[start as usize..][..edit.len() as usize];
    for ((pos, k), insn) in (start..).zip(0..).zip(patch) {
        if let Some(r) = Reference::of(insn) {
            r.set(insn, patch_distance(layout, edit, k, pos, insn, r));
        }
    }
}
