// SPDX-License-Identifier: GPL-2.0

//! All edits of a log in one step: plan, allocate, change. Nothing has changed if one of the first two
//! fails, and the third does not. If a jump no longer fits, there is a second plan, with jumps
//! relaxed.

use super::{
    engine::{
        host::Host,
        layout::Layout,
        log::Log,
        reach::{
            self,
            Failure, //
        },
        relax::relax,
        PAUSE_EVERY, //
    },
    stats::STATS,
    view::{
        check_size,
        View, //
    }, //
};
use kernel::prelude::*;

/// Applies the edits of `log` to `view`.
///
/// # Errors
///
/// [`Failure::TooFar`] if a jump no longer fits, which the verifier's log tells; `ENOMEM`; `EINTR`
/// if the loading process is being killed; `E2BIG` if the program becomes too long. Nothing has
/// changed then.
pub(crate) fn linearize(view: &mut View, log: &Log) -> Result<(), Failure> {
    match Plan::of(view, log) {
        Ok(plan) => plan.apply(view, 0),
        Err(failure) => relaxed(view, log, failure)
            .and_then(|longer| Plan::of_relaxed(longer.as_ref().unwrap_or(log))?.apply(view, 0)),
    }
}

/// Returns what to apply in place of `log`, of which [`Plan::of`] has failed: `log` with jumps relaxed,
/// or `log` itself if none is too far once all edits are made.
///
/// # Errors
///
/// `failure`, which is then told to the program's author, if jumps of the program may not be relaxed
/// or it is another failure; `ENOMEM`, `EINTR`, `E2BIG`.
pub(crate) fn relaxed(
    view: &mut View,
    log: &Log,
    failure: Failure,
) -> Result<Option<Log>, Failure> {
    // A log that removes insns cannot have any added.
    let may_relax =
        failure.blamed().is_some() && log.sum().longest_removal == 0 && view.may_relax();
    let result = match may_relax {
        true => {
            let (program, host) = view.program(0);
            relax(program.insns, log, host)
        }
        false => Err(ERANGE),
    };
    match result {
        Ok(relaxed) => {
            STATS.far_sessions.add(1);
            STATS.far_jumps.add(relaxed.jumps.into());
            STATS.far_rounds_peak.raise(relaxed.rounds.into());
            Ok(relaxed.log)
        }
        Err(ERANGE) => {
            if let Some(idx) = failure.blamed() {
                view.report_range(idx);
            }
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// Edits that are laid out, and after which all references reach.
pub(crate) struct Plan<'a>(Layout<'a>);

impl<'a> Plan<'a> {
    /// Lays out the edits of `log`, all of which can be done as they are.
    ///
    /// # Errors
    ///
    /// As for [`linearize`], only that nobody has been told.
    pub(crate) fn of(view: &mut View, log: &'a Log) -> Result<Self, Failure> {
        let plan = Self::of_relaxed(log)?;
        let (program, host) = view.program(0);
        reach::check(program.insns, &plan.0, host)?;
        Ok(plan)
    }

    /// Lays out edits after which all references reach, as [`relaxed`] has seen to.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `E2BIG`
    pub(crate) fn of_relaxed(log: &'a Log) -> Result<Self, Failure> {
        Ok(Self(Layout::new(log)?))
    }

    /// Allocates, for `room` insns at least, and changes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `E2BIG`. Nothing has changed then.
    pub(crate) fn apply(self, view: &mut View, room: u32) -> Result<(), Failure> {
        let (layout, log) = (&self.0, self.0.log());
        let (old_len, new_len) = (layout.old_len(), layout.new_len());
        view.set_long(old_len.max(new_len) > SHORT);

        // Allocate. The program comes last: it may move, which is no change only if nothing fails
        // afterwards.
        let room = room.max(new_len);
        check_size(room)?;
        view.host().pause();
        let mut allocated = log.bytes() + layout.bytes();
        allocated += view.reserve_aux(new_len)?;
        view.host().pause();
        allocated += view.reserve(room)?;
        view.host().pause();

        // Change: nothing fails from here on.
        if layout.shrinks {
            for edits in log.edits().chunks(PAUSE_EVERY) {
                for edit in edits {
                    view.clear_aux(edit.idx, edit.end() - edit.idx);
                }
                view.host().pause();
            }
        }
        let (program, host) = view.program(new_len);
        let outcome = program.rewrite(layout, host);
        host.pause();
        view.commit(new_len, &outcome);

        STATS.alloc_peak.raise(allocated as u64);
        Ok(())
    }
}

/// Most insns of a program that is changed in one go: in so few the CPU is not held for long.
const SHORT: u32 = 1 << 12;
