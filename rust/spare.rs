// SPDX-License-Identifier: GPL-2.0

//! A box that one user leaves, with its memory, for the next one.
//!
//! Half of all programs that are rewritten have a handful of edits. To allocate and free for them
//! takes longer than all that is done with them.

use core::ptr::null_mut;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    },
};

/// Has a box, or none.
///
/// # Invariants
///
/// The pointer is what [`KBox::into_raw`] returned, or null.
pub(crate) struct Spare<T>(Atomic<*mut T>);

impl<T: Send> Spare<T> {
    pub(crate) const fn new() -> Self {
        // INVARIANT: It is null.
        Self(Atomic::new(null_mut()))
    }

    fn swap(&self, new: *mut T) -> Option<KBox<T>> {
        let old = self.0.xchg(new, Full);
        // SAFETY: Whoever takes a pointer out owns its box, and only `put` puts one in, which it owned.
        // That may have been another task: `T` is `Send`.
        (!old.is_null()).then(|| unsafe { KBox::from_raw(old) })
    }

    /// Takes the box, if there is one.
    pub(crate) fn take(&self) -> Option<KBox<T>> {
        self.swap(null_mut())
    }

    /// Keeps `item`, in place of the one that is there.
    pub(crate) fn put(&self, item: KBox<T>) {
        // INVARIANT: As `into_raw` returns it.
        drop(self.swap(KBox::into_raw(item)));
    }
}
