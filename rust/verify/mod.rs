// SPDX-License-Identifier: GPL-2.0

//! Mode `verify`: each session is done once more, on a copy, by the functions that apply edits at
//! once, and the results are compared. If they differ, the program gets what the kernel's own
//! functions made of it.
//!
//! - `shadow`: the copy, and the kernel's own functions,
//! - `replay`: the edits of a log, one by one,
//! - `decode`: which insns refer to others, apart from the engine,
//! - `compare`: the first place where two programs differ,
//! - `dump`: what a difference looks like in the kernel's log.

mod compare;
pub(crate) mod decode;
mod dump;
mod replay;
mod shadow;

use super::{
    engine::{
        abi::Array,
        log::Log,
        reach::Failure, //
    },
    linearize::{
        by_engine,
        check, //
    },
    stats::STATS,
    view::View, //
};
use compare::Difference;
use kernel::prelude::*;
use shadow::Shadow;

/// Applies the edits of `log` to `view`, and checks what comes out.
///
/// # Errors
///
/// Those of [`by_engine`]. Nothing has changed then.
pub(crate) fn checked(
    pass: u32,
    view: &mut View,
    log: &Log,
    table: &mut Array<u32>,
) -> Result<(), Failure> {
    let mut shadow = Shadow::new(view)?;
    let stock = replay::replay(&mut shadow, log);
    shadow.put_arrays_back(view);
    let ours = match stock {
        // Room for what stock made of it, so that it can be what the program gets.
        Ok(()) => by_engine(view, log, table, shadow.view.len()),
        Err(_) => check(view, log, table),
    };

    let difference = match (ours, stock) {
        // Whether there is memory, and when a signal is noticed, is a matter of chance.
        (Err(Failure::Other(_)), _) => return skipped(ours),
        (_, Err(Failure::Other(_))) => return skipped(stock),
        (Ok(()), Ok(())) => compare::first_difference(view, &mut shadow),
        _ if ours.err().map(Failure::blamed) == stock.err().map(Failure::blamed) => None,
        _ => Some(Difference::verdict()),
    };
    STATS.verify_sessions.add(1);
    let Some(difference) = difference else {
        return ours;
    };

    STATS.verify_differences.add(1);
    dump::dump(pass, view, &mut shadow, log, &difference, ours, stock);
    match stock {
        Ok(()) => Ok(shadow.install(view)?),
        Err(failure) => {
            if let (Ok(()), Some(idx)) = (ours, failure.blamed()) {
                view.report_range(idx);
            }
            stock
        }
    }
}

fn skipped(result: Result<(), Failure>) -> Result<(), Failure> {
    STATS.verify_skipped.add(1);
    result
}
