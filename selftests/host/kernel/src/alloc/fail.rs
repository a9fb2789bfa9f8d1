// SPDX-License-Identifier: GPL-2.0

//! Lets an allocation of this thread fail.

use super::AllocError;
use core::cell::Cell;

std::thread_local! {
    /// Allocations until the one that fails; 0 if none is to.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// The `n`th allocation from here fails, counted from 1. None does if `n` is 0.
pub fn fail_nth(n: u32) {
    LEFT.set(n);
    FAILED.set(false);
}

/// Has one failed since [`fail_nth`]?
pub fn failed() -> bool {
    FAILED.get()
}

pub(super) fn attempt() -> Result<(), AllocError> {
    let left = LEFT.get();
    LEFT.set(left.saturating_sub(1));
    if left == 1 {
        FAILED.set(true);
        return Err(AllocError);
    }
    Ok(())
}
