// SPDX-License-Identifier: GPL-2.0

//! What insns say about other insns: jumps, calls of subprogs, addresses of subprogs.
//!
//! Which insns these are, and which field holds the distance, is what `bpf_adj_branches()` in
//! kernel/bpf/core.c makes of it.

use super::{
    abi::{
        self,
        Insn, //
    },
    layout::Layout,
    log::{
        Edit,
        Group,
        Kind, //
    },
};
use kernel::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Off16,
    Imm32,
}

/// The reference an insn holds.
#[derive(Clone, Copy)]
pub(crate) struct Reference {
    field: Field,
    pub(crate) is_jump: bool,
}

impl Reference {
    pub(crate) fn of(insn: &Insn) -> Option<Self> {
        let imm = |is_jump| Self {
            field: Field::Imm32,
            is_jump,
        };
        let class = abi::class(insn);
        if class != abi::JMP && class != abi::JMP32 {
            let is_func = u32::from(insn.code) == abi::LD_IMM64
                && u32::from(insn.src_reg()) == abi::PSEUDO_FUNC;
            return is_func.then(|| imm(false));
        }
        match abi::op(insn) {
            abi::EXIT => None,
            abi::CALL => (u32::from(insn.src_reg()) == abi::PSEUDO_CALL).then(|| imm(false)),
            _ if u32::from(insn.code) == abi::JMP32 | abi::JA => Some(imm(true)),
            // They lead to no insn that their `off`, which is 0, tells.
            _ if abi::is_indirect_jump(insn) || abi::is_tail_call(insn) => None,
            // Among them may_goto.
            _ => Some(Self {
                field: Field::Off16,
                is_jump: true,
            }),
        }
    }

    /// Number of insns between `insn` and the one it refers to, negative for one in front.
    pub(crate) fn distance(self, insn: &Insn) -> i64 {
        match self.field {
            Field::Off16 => insn.off.into(),
            Field::Imm32 => insn.imm.into(),
        }
    }

    pub(crate) fn fits(self, distance: i64) -> bool {
        match self.field {
            Field::Off16 => i16::try_from(distance).is_ok(),
            Field::Imm32 => i32::try_from(distance).is_ok(),
        }
    }

    /// Sets the distance, which fits.
    pub(crate) fn set(self, insn: &mut Insn, distance: i64) {
        match self.field {
            Field::Off16 => insn.off = distance as i16,
            Field::Imm32 => insn.imm = distance as i32,
        }
    }
}

/// Does the insn call a subprog or take its address?
pub(crate) fn refers_to_subprog(insn: &Insn) -> bool {
    Reference::of(insn).is_some_and(|r| !r.is_jump)
}

/// Distance in the new program for the reference of an insn that stays: old insn `old`, now at
/// `pos`.
fn kept(layout: &Layout<'_>, old: u32, pos: u32, insn: &Insn, r: Reference) -> i64 {
    let distance = r.distance(insn);
    let target = i64::from(old) + 1 + distance;
    let to = match r.is_jump {
        // A jump to itself goes on to do so, whatever is put in front of it; so does one that has
        // become one, as what is between is removed.
        true if target == i64::from(old) => return -1,
        true if layout.shrinks && layout.land(target) == layout.land(old.into()) => return -1,
        true => layout.land_jump(target),
        false => layout.land(target),
    };
    to - i64::from(pos) - 1
}

/// The old insn that the reference of insn `k` of `edit` is to, or `None` if it is to the patch
/// itself.
///
/// The patch was written as if nothing else was patched: insns behind it are further away by what
/// it adds.
pub(crate) fn target(edit: &Edit, k: u32, distance: i64) -> Option<i64> {
    let start = i64::from(edit.idx);
    let added = match edit.kind {
        // The old insn stays behind what is put in front of it.
        Kind::Prepend => i64::from(edit.cnt),
        _ => i64::from(edit.cnt) - 1,
    };
    let target = start + i64::from(k) + 1 + distance;
    if target < start {
        Some(target)
    } else if target <= start + added {
        None
    } else {
        Some(target - added)
    }
}

/// Distance in the new program for the reference of insn `k` of `edit`, now at `pos`.
fn patched(layout: &Layout<'_>, edit: &Edit, k: u32, pos: u32, insn: &Insn, r: Reference) -> i64 {
    let distance = r.distance(insn);
    let Some(target) = target(edit, k, distance) else {
        return distance;
    };
    let to = if u32::from(edit.flags) & abi::F_TO_BODY != 0 {
        layout.land_body(target)
    } else if r.is_jump {
        layout.land_jump(target)
    } else {
        layout.land(target)
    };
    to - i64::from(pos) - 1
}

/// Calls `f` for each edit of `group` with where its insns begin in the new program.
fn for_each_edit<'a>(layout: &Layout<'_>, group: &Group<'a>, mut f: impl FnMut(&'a Edit, u32)) {
    let mut base = layout.start(group.idx());
    for edit in group.edits() {
        f(edit, base);
        base += edit.cnt;
    }
}

/// Lets all references of the new program `insns` lead where they led.
pub(crate) fn adjust(insns: &mut [Insn], layout: &Layout<'_>) {
    let adjust_kept = |insns: &mut [Insn], old: u32, pos: u32| {
        let insn = &mut insns[pos as usize];
        if let Some(r) = Reference::of(insn) {
            let distance = kept(layout, old, pos, insn, r);
            r.set(insn, distance);
        }
    };

    for span in layout.spans() {
        let shift = layout.start(span.run.start).wrapping_sub(span.run.start);
        for old in span.run {
            adjust_kept(insns, old, old.wrapping_add(shift));
        }
        let Some(group) = span.group.filter(|g| !g.removes()) else {
            continue;
        };
        for_each_edit(layout, &group, |edit, base| {
            for k in 0..edit.cnt {
                let insn = &mut insns[(base + k) as usize];
                if let Some(r) = Reference::of(insn) {
                    let distance = patched(layout, edit, k, base + k, insn, r);
                    r.set(insn, distance);
                }
            }
        });
        if group.keeps() {
            let pos = layout.start(group.idx()) + group.prefix_len();
            adjust_kept(insns, group.idx(), pos);
        }
    }
}

/// A jump that would be too far, and the insn whose patch is the first to make it so.
pub(crate) struct TooFar {
    pub(crate) idx: u32,
}

/// Checks that every reference of the old program `insns`, and of what is patched into it, fits
/// its field in the new one.
pub(crate) fn check(
    insns: &[Insn],
    layout: &Layout<'_>,
    log: &super::log::Log,
) -> Result<(), TooFar> {
    // Nothing in a program of this length is further apart than 16 bits tell.
    if layout.new_len() <= i16::MAX as u32 {
        return Ok(());
    }

    let mut first: Option<u32> = None;
    let mut blame = |idx: u32| first = Some(first.map_or(idx, |f| f.min(idx)));
    let check_kept = |old: u32, pos: u32, blame: &mut dyn FnMut(u32)| {
        let insn = &insns[old as usize];
        if let Some(r) = Reference::of(insn) {
            let distance = r.distance(insn);
            let target = i64::from(old) + 1 + distance;
            // Without a session, a jump back to an insn leads to all that is put in front of it until
            // it is redirected. Nothing behind that insn has been patched by then.
            let in_front = distance - (layout.land_jump(target) - layout.land(target));
            if !r.fits(in_front) || !r.fits(kept(layout, old, pos, insn, r)) {
                blame(culprit(layout, old, target, distance));
            }
        }
    };

    for span in layout.spans() {
        let shift = layout.start(span.run.start).wrapping_sub(span.run.start);
        for old in span.run {
            check_kept(old, old.wrapping_add(shift), &mut blame);
        }
        let Some(group) = span.group.filter(|g| !g.removes()) else {
            continue;
        };
        for_each_edit(layout, &group, |edit, base| {
            for (k, insn) in (0..).zip(log.insns(edit)) {
                let Some(r) = Reference::of(insn) else {
                    continue;
                };
                if !r.fits(patched(layout, edit, k, base + k, insn, r)) {
                    let distance = r.distance(insn);
                    // A patch is made when what is in front of it has been patched. What is patched
                    // into the same place later comes behind it.
                    let alone = base + edit.cnt + u32::from(edit.kind == Kind::Prepend);
                    let distance_then = distance + i64::from(layout.start(edit.idx + 1) - alone);
                    blame(match target(edit, k, distance) {
                        Some(target) if target > edit.idx.into() && r.fits(distance_then) => {
                            culprit(layout, edit.idx, target, distance_then)
                        }
                        _ => edit.idx,
                    });
                }
            }
        });
        // An insn that is replaced has to do until then, with what is in front of it patched.
        let reaches_back = |insn| Reference::of(insn).is_some_and(|r| r.distance(insn) < -1);
        if group.keeps() || reaches_back(&insns[group.idx() as usize]) {
            let pos = layout.start(group.idx()) + group.prefix_len();
            check_kept(group.idx(), pos, &mut blame);
        }
    }

    match first {
        Some(idx) => Err(TooFar { idx }),
        None => Ok(()),
    }
}

/// The insn whose patch makes the jump of old insn `old` to `target` too far, if the patches are
/// applied one after the other from the front: the one that `bpf_patch_insn_data()` names.
fn culprit(layout: &Layout<'_>, old: u32, target: i64, distance: i64) -> u32 {
    let len = layout.old_len();
    let target = u32::try_from(target).map_or(0, |t| t.min(len));
    // What the patches of insns below `idx` add.
    let added = |idx: u32| i64::from(layout.start(idx)) - i64::from(idx);

    let (from, to, spare) = if target > old {
        (old + 1, target, i64::from(i16::MAX) - distance)
    } else {
        (target, old, distance - i64::from(i16::MIN))
    };
    let (mut low, mut high) = (from, to);
    while low < high {
        let mid = low + (high - low) / 2;
        if added(mid + 1) - added(from) > spare {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    low.min(len.saturating_sub(1))
}
