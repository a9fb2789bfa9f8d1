// SPDX-License-Identifier: GPL-2.0

//! All edits of a log at once: plan, allocate, change. Nothing has changed if one of the first two
//! fails, and the third does not. A log of one edit is left to the kernel's own functions.

use super::{
    engine::{
        abi::{
            Array,
            Insn,
            InsnAux, //
        },
        aux::NewAux,
        layout::Layout,
        log::{
            Edit,
            Log, //
        },
        reach::{
            self,
            Failure, //
        }, //
    },
    stats::{
        elapsed_ns,
        STATS, //
    },
    view::{
        must_abort,
        View, //
    }, //
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Applies the edits of `log` to `view`. `table` is memory to compute in, which comes back.
///
/// # Errors
///
/// [`Failure::TooFar`] if a jump no longer fits, which the verifier's log tells; `ENOMEM`; `EINTR`
/// if the loading process is being killed; `E2BIG` if the program becomes too long. Nothing has
/// changed then.
pub(crate) fn linearize(view: &mut View, log: &Log, table: &mut Array<u32>) -> Result<(), Failure> {
    match only_edit(view, log) {
        Some(edit) => timed(|| at_once(view, log, edit)),
        None => by_engine(view, log, table, 0),
    }
}

/// Applies the edits as [`linearize`] does, always by the engine, and makes room for `room` insns at
/// least.
///
/// # Errors
///
/// As for [`linearize`].
pub(crate) fn by_engine(
    view: &mut View,
    log: &Log,
    table: &mut Array<u32>,
    room: u32,
) -> Result<(), Failure> {
    timed(|| {
        let layout = plan(view, log, table)?;
        let result = apply(view, &layout, room);
        *table = layout.into_table();
        result
    })
}

fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let start = Instant::<Monotonic>::now();
    let result = work();
    STATS.linearize_ns.add(elapsed_ns(start));
    result
}

/// Returns the edit of a log that has no other, if the kernel's own function is as quick to apply
/// it: the program is verified, too short for a jump to be too far, and its aux data has room where
/// it is.
///
/// Such are half of all sessions. What the engine prepares for many edits takes longer than one of
/// them.
fn only_edit<'a>(view: &mut View, log: &'a Log) -> Option<&'a Edit> {
    let [edit] = log.edits() else {
        return None;
    };
    let new_len = log.program_len().saturating_add(edit.added());
    let fits = new_len <= i16::MAX as u32 && view.makes_room_for_aux(new_len);
    fits.then_some(edit)
}

fn at_once(view: &mut View, log: &Log, edit: &Edit) -> Result<(), Failure> {
    let old_len = view.len();
    view.edit_at_once(edit.idx, edit.kind(), log.patch(edit))?;
    let new_len = view.len();
    STATS.edits.add(1);
    STATS.insns_in.add(old_len.into());
    STATS.insns_out.add(new_len.into());
    let moved = u64::from(new_len - edit.idx) * (size_of::<Insn>() + size_of::<InsnAux>()) as u64;
    STATS.bytes_moved.add(moved);
    STATS.alloc_peak.raise(log.bytes() as u64);
    Ok(())
}

/// Checks whether [`linearize`] would refuse the edits. Nothing changes.
///
/// # Errors
///
/// As for [`linearize`].
pub(crate) fn check(view: &View, log: &Log, table: &mut Array<u32>) -> Result<(), Failure> {
    plan(view, log, table).map(|_| ())
}

/// Returns where each insn goes, if all of `log` can be done.
fn plan<'a>(view: &View, log: &'a Log, table: &mut Array<u32>) -> Result<Layout<'a>, Failure> {
    let layout = Layout::within(log, table)?;
    let mut aborts = || view.may_abort() && must_abort();
    reach::check(view.insns(), &layout, &mut aborts).inspect_err(|failure| {
        if let Some(idx) = failure.blamed() {
            view.report_range(idx);
        }
    })?;
    Ok(layout)
}

fn apply(view: &mut View, layout: &Layout<'_>, room: u32) -> Result<(), Failure> {
    let log = layout.log();

    // Allocate. The program comes last: it may move, which is no change only if nothing fails
    // afterwards.
    let may_move = view.makes_room_for_aux(layout.new_len());
    let mut new_aux = match view.is_verified() {
        true => NewAux::new(view.has_slots(), view.added_aux(), layout, may_move)?,
        false => NewAux::Stay,
    };
    let mut allocated = log.bytes() + layout.bytes() + new_aux.bytes();
    allocated += view.reserve(layout.new_len().max(room))?;

    // Change: nothing fails from here on.
    for edit in log.edits().iter().filter(|e| e.removes()) {
        view.clear_aux(edit.idx, edit.end() - edit.idx);
    }
    let zero_extends = view.zero_extends();
    let aux_room = match new_aux {
        NewAux::Move => layout.new_len(),
        _ => 0,
    };
    let program = view.program(layout.new_len(), aux_room);
    let outcome = program.rewrite(layout, &mut new_aux, &zero_extends);

    STATS.edits.add(log.edits().len() as u64);
    STATS.insns_in.add(layout.old_len().into());
    STATS.insns_out.add(layout.new_len().into());
    STATS.bytes_moved.add(outcome.bytes_moved);
    STATS.alloc_peak.raise(allocated as u64);

    view.commit(layout.new_len(), &outcome, new_aux);
    Ok(())
}
