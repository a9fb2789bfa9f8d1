// SPDX-License-Identifier: GPL-2.0

//! All edits of a log at once: plan, allocate, change. Nothing has changed if one of the first two
//! fails, and the third does not. If a jump no longer fits, there is a second plan, with jumps
//! relaxed.

use super::{
    engine::{
        abi::Array,
        layout::Layout,
        log::Log,
        reach::{
            self,
            Failure, //
        },
        relax::relax,
        AT_ONCE, //
    },
    resched::{
        must_abort,
        resched, //
    },
    stats::{
        elapsed_ns,
        STATS, //
    },
    view::View, //
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
    let start = Instant::<Monotonic>::now();
    let result = match plan(view, log, table) {
        Ok(layout) => apply(view, layout, table, 0),
        Err(failure) => match relaxed(view, log, table, failure) {
            Ok(longer) => as_it_is(view, longer.as_ref().unwrap_or(log), table, 0),
            Err(failure) => Err(failure),
        },
    };
    STATS.linearize_ns.add(elapsed_ns(start));
    result
}

/// Applies edits after which all jumps fit, as [`relaxed`] has seen to. Room is made for `room` insns
/// at least.
///
/// # Errors
///
/// `ENOMEM`, `E2BIG`. Nothing has changed then.
pub(crate) fn as_it_is(
    view: &mut View,
    log: &Log,
    table: &mut Array<u32>,
    room: u32,
) -> Result<(), Failure> {
    let layout = Layout::within(log, table)?;
    apply(view, layout, table, room)
}

/// Returns what to apply in place of `log`, for which [`plan`] has failed: `log` with jumps relaxed,
/// or `log` itself if none is too far once all edits are made.
///
/// # Errors
///
/// `failure`, which is then told to the program's author, if jumps of the program may not be relaxed
/// or it is another failure; `ENOMEM`, `EINTR`, `E2BIG`.
pub(crate) fn relaxed(
    view: &View,
    log: &Log,
    table: &mut Array<u32>,
    failure: Failure,
) -> Result<Option<Log>, Failure> {
    let refuse = || {
        if let Some(idx) = failure.blamed() {
            view.report_range(idx);
        }
        Err(failure)
    };
    // A log that removes insns cannot have any added.
    if failure.blamed().is_none() || log.sum().longest_removal > 0 || !view.may_relax() {
        return refuse();
    }
    let mut aborts = || view.may_abort() && must_abort();
    let mut tell = |idx| view.report_relaxed(idx);
    match relax(view.insns(), log, table, &mut aborts, &mut tell) {
        Ok(relaxed) => {
            STATS.far_sessions.add(1);
            STATS.far_jumps.add(relaxed.jumps.into());
            STATS.far_rounds_peak.raise(relaxed.rounds.into());
            Ok(relaxed.log)
        }
        Err(ERANGE) => refuse(),
        Err(error) => Err(error.into()),
    }
}

/// Returns where each insn goes, if all of `log` can be done as it is.
///
/// # Errors
///
/// As for [`linearize`], only that nobody has been told.
pub(crate) fn plan<'a>(
    view: &View,
    log: &'a Log,
    table: &mut Array<u32>,
) -> Result<Layout<'a>, Failure> {
    let layout = Layout::within(log, table)?;
    let mut aborts = || view.may_abort() && must_abort();
    reach::check(view.insns(), &layout, &mut aborts)?;
    Ok(layout)
}

/// Allocates, for `room` insns at least, and changes. The memory of `layout` goes back to `table`.
///
/// # Errors
///
/// `ENOMEM`, `E2BIG`. Nothing has changed then.
pub(crate) fn apply(
    view: &mut View,
    layout: Layout<'_>,
    table: &mut Array<u32>,
    room: u32,
) -> Result<(), Failure> {
    let result = change(view, &layout, room);
    *table = layout.into_table();
    Ok(result?)
}

/// Most insns of a program that is changed in one go: in so few the CPU is not held for long.
const SHORT: u32 = 1 << 12;

fn change(view: &mut View, layout: &Layout<'_>, room: u32) -> Result {
    let log = layout.log();
    let is_long = layout.old_len().max(layout.new_len()) > SHORT;
    let mut pause = || {
        if is_long {
            resched();
        }
    };

    // Allocate. The program comes last: it may move, which is no change only if nothing fails
    // afterwards.
    pause();
    let mut allocated = log.bytes() + layout.bytes();
    allocated += view.reserve_aux(layout.new_len())?;
    pause();
    allocated += view.reserve(layout.new_len().max(room))?;
    pause();

    // Change: nothing fails from here on.
    if layout.shrinks {
        for edits in log.edits().chunks(AT_ONCE) {
            for edit in edits {
                view.clear_aux(edit.idx, edit.end() - edit.idx);
            }
            pause();
        }
    }
    let zero_extends = view.zero_extends();
    let program = view.program(layout.new_len());
    let outcome = program.rewrite(layout, &zero_extends, &mut pause);
    pause();

    STATS.edits.add(log.edits().len() as u64);
    STATS.insns_in.add(layout.old_len().into());
    STATS.insns_out.add(layout.new_len().into());
    STATS.bytes_moved.add(outcome.bytes_moved);
    STATS.alloc_peak.raise(allocated as u64);

    view.commit(layout.new_len(), &outcome);
    Ok(())
}
