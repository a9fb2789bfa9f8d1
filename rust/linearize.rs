// SPDX-License-Identifier: GPL-2.0

//! All edits of a log at once: plan, allocate, change. Nothing has changed if one of the first two
//! fails, and the third does not. If a jump no longer fits, there is a second plan, with jumps
//! relaxed. Few edits of a short program are left to the kernel's own functions.

use super::{
    engine::{
        abi::{
            Array,
            Insn,
            InsnAux, //
        },
        aux::NewAux,
        layout::Layout,
        log::Log,
        reach::{
            self,
            Failure, //
        },
        reference::REACH,
        relax::relax,
        AT_ONCE, //
    },
    resched::resched,
    stats::{
        elapsed_ns,
        STATS, //
    },
    view::{
        must_abort,
        View,
        ON_STACK, //
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
    match is_quick_at_once(view, log) {
        true => at_once(view, log),
        false => by_engine(view, log, table),
    }
}

/// Applies the edits as [`linearize`] does, always by the engine.
fn by_engine(view: &mut View, log: &Log, table: &mut Array<u32>) -> Result<(), Failure> {
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
    // No pass both adds and removes insns.
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

/// Most edits that move insns, times insns, for which the kernel's own functions are as quick as the
/// engine.
///
/// Each of these edits takes them about 300 instructions and 40 an insn. The engine takes 2 200 to
/// prepare, and a third as many an edit. Edits that move nothing cost little in both.
const FEW: u32 = 64;

/// Is it as quick to apply the edits of `log` by the kernel's own functions, one by one?
///
/// That is where one edit moves insns, or some do in a very short program, as in half of all sessions.
/// The program has to be verified, and its aux data has to have room where it is, so that nothing is
/// allocated for it. It is too short for a jump to be too far. Patches do not refer to what edits in
/// front of them have moved.
fn is_quick_at_once(view: &View, log: &Log) -> bool {
    let (edits, sum) = (log.edits().len(), log.sum());
    let few = sum.moving <= 1 || sum.moving.saturating_mul(view.len()) <= FEW;
    let independent = edits == 1 || sum.moving == 0 || !sum.refers_out;
    let longest = log.program_len().saturating_add(sum.added);
    let short = edits <= FEW as usize && longest <= REACH;
    // If a later edit fails, C goes on with the program that it knows: it must not have moved.
    // Nor may a prefix be too long for the stack, for which memory would be needed by then.
    let stays = edits == 1 || (view.has_room(longest) && sum.added as usize <= ON_STACK);
    few && independent && short && stays && view.may_move_aux(longest)
}

/// Applies the edits one by one. Nothing has changed if the first one fails. All others have the
/// memory that they need where the program is, and fail only if the loading process is being killed.
/// Not timed: to read the clock twice takes as long as an edit.
fn at_once(view: &mut View, log: &Log) -> Result<(), Failure> {
    let old_len = view.len();
    let mut moved = 0;
    for edit in log.edits() {
        // What edits in front have added.
        let idx = edit.idx + view.len() - old_len;
        view.edit_at_once(idx, edit.kind(), log.patch(edit))?;
        moved += u64::from(view.len() - idx) * (size_of::<Insn>() + size_of::<InsnAux>()) as u64;
    }
    STATS.edits.add(log.edits().len() as u64);
    STATS.insns_in.add(old_len.into());
    STATS.insns_out.add(view.len().into());
    STATS.bytes_moved.add(moved);
    STATS.alloc_peak.raise(log.bytes() as u64);
    Ok(())
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
    let may_move = view.grow_aux(layout.new_len());
    let mut new_aux = match view.is_verified() {
        true => NewAux::new(view.has_slots(), view.added_aux(), layout, may_move)?,
        false => NewAux::Stay,
    };
    pause();
    let mut allocated = log.bytes() + layout.bytes() + new_aux.bytes();
    allocated += view.reserve(layout.new_len().max(room))?;
    pause();

    // Change: nothing fails from here on.
    for edits in log.edits().chunks(AT_ONCE) {
        for edit in edits.iter().filter(|e| e.removes()) {
            view.clear_aux(edit.idx, edit.end() - edit.idx);
        }
        pause();
    }
    let zero_extends = view.zero_extends();
    let aux_room = match new_aux {
        NewAux::Move => layout.new_len(),
        _ => 0,
    };
    let program = view.program(layout.new_len(), aux_room);
    let outcome = program.rewrite(layout, &mut new_aux, &zero_extends, &mut pause);
    pause();

    STATS.edits.add(log.edits().len() as u64);
    STATS.insns_in.add(layout.old_len().into());
    STATS.insns_out.add(layout.new_len().into());
    STATS.bytes_moved.add(outcome.bytes_moved);
    STATS.alloc_peak.raise(allocated as u64);

    view.commit(layout.new_len(), &outcome, new_aux);
    Ok(())
}
