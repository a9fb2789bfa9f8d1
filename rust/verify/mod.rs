// SPDX-License-Identifier: GPL-2.0

//! Mode `verify`: the kernel's own functions replay each session on a copy, edit by edit, and the
//! results are compared. If they differ, the program gets what the kernel's own functions made of it.
//!
//! - `shadow`: the copy,
//! - `stock`: the kernel's own functions, each of which applies one edit,
//! - `replay`: the edits of a log, one by one,
//! - `relaxed`: whether relaxed jumps lead where they led,
//! - `decode`: which insns refer to others, apart from the engine,
//! - `load`: whether a program is what the verifier had accepted, once all sessions are done,
//! - `compare`: the first place where two programs differ,
//! - `dump`: what a difference looks like in the kernel's log.

mod compare;
pub(crate) mod decode;
mod dump;
pub(crate) mod load;
mod relaxed;
mod replay;
mod shadow;
mod stock;

use super::{
    engine::{
        abi::{
            self,
            Array, //
        },
        log::Log,
        reach::Failure, //
    },
    linearize::{
        self,
        Plan, //
    },
    pass::Pass,
    stats::STATS,
    view::View, //
};
use compare::Difference;
use kernel::prelude::*;
use load::{
    Accepted,
    Besides,
    Stop, //
};
use replay::Jumps;
use shadow::Shadow;

/// Applies the edits of `log` to `view`, and checks what comes out.
///
/// If a jump is too far, that is what both have to find. Then jumps are relaxed, which is checked, and
/// the session is done once more.
///
/// # Errors
///
/// Those of [`linearize`](crate::linearize::linearize). Nothing has changed then.
pub(crate) fn checked(pass: Pass, view: &mut View, log: &Log) -> Result<(), Failure> {
    let failure = match compared(pass, view, log, Jumps::Recorded) {
        Err(failure) => failure,
        Ok(()) => return Ok(()),
    };
    let longer = linearize::relaxed(view, log, failure)?;
    STATS.verify_far_sessions.add(1);
    let Some(longer) = longer else {
        return compared(pass, view, log, Jumps::Relaxed);
    };
    match relaxed::first_difference(view.insns(), log, &longer) {
        Ok(None) => compared(pass, view, &longer, Jumps::Relaxed),
        Ok(Some(idx)) => {
            STATS.verify_differences.add(1);
            dump::dump_relaxed(pass, view, idx);
            Err(failure)
        }
        Err(error) => skipped(Err(error.into())),
    }
}

/// Applies the edits of `log` to `view`, and compares what comes out with what the kernel's own
/// functions make of them.
///
/// # Errors
///
/// As for [`Plan::of`].
fn compared(pass: Pass, view: &mut View, log: &Log, jumps: Jumps) -> Result<(), Failure> {
    let mut shadow = Shadow::new(view)?;
    let stock = replay::replay(&mut shadow, log, jumps);
    shadow.put_arrays_back(view);
    // Room for what stock made of it, so that it can be what the program gets.
    let room = shadow.view.len();
    let ours = match (stock, jumps) {
        (Ok(()), Jumps::Recorded) => Plan::of(view, log).and_then(|plan| plan.apply(view, room)),
        (Ok(()), Jumps::Relaxed) => Plan::of_relaxed(log).and_then(|plan| plan.apply(view, room)),
        // What we would have come to. Nothing is to change.
        (Err(_), Jumps::Recorded) => Plan::of(view, log).map(|_| ()),
        (Err(_), Jumps::Relaxed) => Ok(()),
    };

    let difference = match (ours, stock) {
        _ if is_chance(ours) => return skipped(ours),
        _ if is_chance(stock) => return skipped(stock),
        (Ok(()), Ok(())) => compare::first_difference(view, &mut shadow),
        (Err(Failure::TooFar(a)), Err(Failure::TooFar(b))) if a.blamed == b.blamed => None,
        _ => Some(Difference::verdict()),
    };
    STATS.verify_sessions.add(1);
    let Some(difference) = difference else {
        return ours;
    };

    STATS.verify_differences.add(1);
    dump::dump(pass, view, &mut shadow, log, &difference, ours, stock);
    stock?;
    Ok(shadow.install(view)?)
}

/// Whether there is memory, and when a signal is noticed, is a matter of chance.
fn is_chance(result: Result<(), Failure>) -> bool {
    matches!(result, Err(Failure::Other(ENOMEM | EINTR)))
}

fn skipped(result: Result<(), Failure>) -> Result<(), Failure> {
    STATS.verify_skipped.add(1);
    result
}

/// Remembers the program of `view`, which is about to be rewritten, if its load is to be judged.
///
/// Without memory for it the load is skipped.
pub(crate) fn accepted(view: &mut View) -> Option<Accepted> {
    if view.is_offloaded() {
        return None;
    }
    let (mut program, host) = view.program(0);
    match Accepted::take(&mut program, host) {
        Ok(accepted) => accepted,
        failed => {
            STATS.count_failure(&failed);
            STATS.verify_skipped.add(1);
            None
        }
    }
}

/// Judges the program of `view`, which was `accepted` and rewritten.
pub(crate) fn judge(view: &mut View, accepted: &Accepted) {
    match judged(view, accepted) {
        Ok(()) => STATS.verify_loads.add(1),
        Err(Stop::Fault(fault)) => {
            STATS.verify_loads.add(1);
            STATS.verify_load_faults.add(1);
            STATS.verify_differences.add(1);
            dump::dump_fault(view, &fault);
        }
        Err(Stop::Error(error)) => {
            STATS.count_failure::<()>(&Err(error));
            STATS.verify_skipped.add(1);
        }
    }
}

fn judged(view: &mut View, accepted: &Accepted) -> Result<(), Stop> {
    let mut poke = Array::new();
    while let Some(at) = view.poke(poke.len()) {
        abi::push(&mut poke, at)?;
    }
    let besides = Besides {
        prologue: view.prologue_len(),
        hidden: view.hidden_subprogs(),
        poke: &poke,
    };
    let (mut program, host) = view.program(0);
    load::judge(accepted, &mut program, host, &besides)
}
