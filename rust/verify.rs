// SPDX-License-Identifier: GPL-2.0

//! Mode `verify`: each session is done once more, on a copy, by the functions that a kernel
//! without a patcher rewrites with, and the results are compared. If they differ, the program gets
//! what the kernel's own functions made of it.
//!
//! - `shadow`: the copy,
//! - `replay`: the edits of a log, one by one in record order,
//! - `compare`: the first place where two programs differ,
//! - `dump`: what a difference looks like in the kernel's log.

mod compare;
mod dump;
mod replay;
mod shadow;

use super::{
    log::Log,
    session::{
        self,
        Failure, //
    },
    stats::STATS,
    view::Target, //
};
use compare::Difference;
use kernel::prelude::*;
use shadow::{
    Refused,
    Shadow, //
};

/// Applies the edits of `log` to `target`, and checks what comes out.
///
/// # Errors
///
/// Those of [`session::apply`]; `ENOMEM`; `ERANGE` if the kernel's own functions have refused the
/// edits. Nothing has changed then.
pub(crate) fn checked(pass: u32, target: &mut Target, log: &mut Log) -> Result<(), Failure> {
    // The order in which edits are done decides which one makes a jump too far.
    let in_order = log.is_sorted();
    let mut shadow = Shadow::new(target)?;
    let stock = replay::replay(&mut shadow, log);
    shadow.put_arrays_back(target);
    let ours = match &stock {
        // Room for what stock made of it, so that it can be what the program gets.
        Ok(_) => session::apply(target, log, shadow.target.len()),
        Err(_) => session::check(target, log),
    };

    let difference = match (&ours, &stock) {
        // Whether there is memory, and when a signal is noticed, is a matter of chance.
        (Err(failure), _) if [ENOMEM, EINTR].contains(&failure.error) => return skipped(ours),
        (_, Err(stopped)) => match stopped.why {
            Refused::Memory => return skipped(Err(ENOMEM.into())),
            Refused::Aborted => return skipped(Err(EINTR.into())),
            Refused::Range => match &ours {
                Err(failure) if !in_order || failure.insn == Some(stopped.idx) => None,
                _ => Some(Difference::verdict()),
            },
        },
        (Ok(()), Ok(known)) => {
            known.count();
            compare::first_difference(target, &shadow)
        }
        (Err(_), Ok(_)) => Some(Difference::verdict()),
    };
    STATS.verify_sessions.add(1);
    let Some(difference) = difference else {
        return ours;
    };

    STATS.verify_differences.add(1);
    dump::dump(pass, target, &shadow, log, &difference, &ours, &stock);
    match stock {
        Ok(_) => Ok(shadow.install(target)?),
        Err(stopped) => {
            if ours.is_ok() {
                target.report_range(stopped.idx);
            }
            Err(ERANGE.into())
        }
    }
}

fn skipped(result: Result<(), Failure>) -> Result<(), Failure> {
    STATS.verify_skipped.add(1);
    result
}
