// SPDX-License-Identifier: GPL-2.0

//! What refers to insns from outside of the program: each to the same insn as before.

use super::{
    accepted::{
        is_static_branch,
        is_tail_call,
        INDIRECT,
        NONE,
        SEEN, //
    },
    judge::Judge,
    Besides,
    Fault,
    Judged, //
};
use crate::engine::{
    abi::{
        InsnAux,
        LineInfo,
        Subprog, //
    },
    host::Host,
    Verified, //
};

/// What an insn array has in place of a removed insn.
const DELETED: u32 = u32::MAX;

pub(super) fn judge(
    judge: &mut Judge<'_>,
    linfo: &[LineInfo],
    verified: &Verified<'_>,
    host: &mut impl Host,
    besides: &Besides<'_>,
) -> Judged {
    subprogs(judge, verified, linfo, besides.hidden)?;
    line_info(judge, linfo)?;
    insn_arrays(judge, verified.aux, host)?;
    poke(judge, besides)
}

/// A subprog begins with what stands for the first of its insns that stay. One of which none stays is gone.
fn subprogs(judge: &Judge<'_>, verified: &Verified<'_>, linfo: &[LineInfo], hidden: u32) -> Judged {
    let (accepted, places) = (judge.accepted, judge.places);
    let (subprogs, end) = match verified.subprogs.split_last() {
        Some((end, subprogs)) => (subprogs, end.start),
        None => return Ok(()),
    };
    let visible = subprogs.len().saturating_sub(hidden as usize);
    let mut now = subprogs[..visible].iter();
    let mut infos = verified.func_info.iter();
    for (k, range) in accepted.starts.windows(2).enumerate() {
        let first = places.staying(range[0]);
        if first >= range[1] {
            continue;
        }
        let is_there =
            |s: &Subprog| s.start == places.start(first) && has_its_line(s, linfo, &accepted.linfo);
        let has_info = |type_id: &u32| infos.next().is_some_and(|info| info.type_id == *type_id);
        if !now.next().is_some_and(is_there) || !accepted.type_ids.get(k).is_none_or(has_info) {
            return Err(Fault::new(c"subprog", first, places.start(first)).into());
        }
    }
    match now.next().is_none() && infos.next().is_none() && end as usize == judge.insns.len() {
        true => Ok(()),
        false => Err(Fault::new(c"subprogs", NONE, end).into()),
    }
}

/// Has a subprog the line of its first insn?
fn has_its_line(subprog: &Subprog, linfo: &[LineInfo], accepted: &[LineInfo]) -> bool {
    accepted.is_empty()
        || linfo
            .get(subprog.linfo_idx as usize)
            .is_some_and(|line| line.insn_off == subprog.start)
}

/// A line is that of the first insn that stands for its own. Of insns that are gone, the last line is that of
/// the next insn that stays, if that has none.
fn line_info(judge: &Judge<'_>, linfo: &[LineInfo]) -> Judged {
    let places = judge.places;
    let mut now = linfo.iter();
    let old = &judge.accepted.linfo;
    for (k, line) in old.iter().enumerate() {
        let stays = places.staying(line.insn_off);
        if stays == NONE {
            continue;
        }
        let has_own = old.get(k + 1).is_some_and(|next| next.insn_off <= stays);
        if stays != line.insn_off && has_own {
            continue;
        }
        let is_there = |l: &LineInfo| {
            let key = |l: &LineInfo| (l.file_name_off, l.line_off, l.line_col);
            l.insn_off == places.start(stays) && key(l) == key(line)
        };
        if !now.next().is_some_and(is_there) {
            return Err(Fault::new(c"line info", line.insn_off, places.start(stays)).into());
        }
    }
    match now.next() {
        None => Ok(()),
        Some(line) => Err(Fault::new(c"line info of none", NONE, line.insn_off).into()),
    }
}

/// A value leads to where jumps to its insn lead, and the JIT knows that it does.
fn insn_arrays(judge: &mut Judge<'_>, aux: &[InsnAux], host: &mut impl Host) -> Judged {
    let (mut k, mut result) = (0, Ok(()));
    host.insn_arrays(&mut |now| {
        let old = judge.accepted.targets.get(k).copied().unwrap_or(NONE);
        k += 1;
        if result.is_ok() {
            let is_target = |at: u32| aux[at as usize].indirect_target() != 0;
            result = value(judge, old, now, &is_target);
        }
        now
    });
    result
}

fn value(judge: &mut Judge<'_>, old: u32, now: u32, is_target: &dyn Fn(u32) -> bool) -> Judged {
    let fault = |what| Err(Fault::new(what, old, now).into());
    let is_live = judge.accepted.has(old, SEEN) && judge.accepted.has(old, INDIRECT);
    if old == NONE || !judge.places.stays(old) {
        return match now == DELETED && !is_live {
            true => Ok(()),
            false => fault(c"value of an insn array"),
        };
    }
    if judge.places.owner(now) != old {
        return fault(c"value of an insn array");
    }
    // It is where a branch is that is switched, and no way.
    if is_static_branch(&judge.accepted.insns[old as usize]) {
        return Ok(());
    }
    judge.lands(old, now, old)?;
    match is_live && !is_target(now) {
        true => fault(c"target of an indirect jump"),
        false => Ok(()),
    }
}

/// A poke descriptor is about a tail call.
fn poke(judge: &Judge<'_>, besides: &Besides<'_>) -> Judged {
    for &at in besides.poke {
        if !judge.insns.get(at as usize).is_some_and(is_tail_call) {
            return Err(Fault::new(c"poke descriptor", NONE, at).into());
        }
    }
    Ok(())
}
