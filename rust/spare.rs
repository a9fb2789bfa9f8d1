// SPDX-License-Identifier: GPL-2.0

//! One session that has ended, with its memory, for the next one to begin in.
//!
//! Half of all programs that are rewritten have a handful of edits. To allocate and free for them
//! takes longer than all that is done with them.

use super::session::Session;
use core::ptr::null_mut;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    }, //
};

/// Most memory that a session may keep, in bytes: for a thousand edits or so.
const KEPT: usize = 64 << 10;

/// What [`KBox::into_raw`] returned, or null.
static SPARE: Atomic<*mut Session> = Atomic::new(null_mut());

fn swap(session: *mut Session) -> Option<KBox<Session>> {
    let old = SPARE.xchg(session, Full);
    // SAFETY: Whoever takes a pointer out of `SPARE` owns its session, and only `put` puts one in,
    // which it owned. That may be another task. It may have the session, whose arrays are `Send`, as
    // the pointers of its view are not used any more: a session begins with a view of its own.
    (!old.is_null()).then(|| unsafe { KBox::from_raw(old) })
}

/// Takes the spare session, if there is one.
pub(crate) fn take() -> Option<KBox<Session>> {
    swap(null_mut())
}

/// Keeps `session`, in place of the one that is there, unless it has too much memory.
pub(crate) fn put(session: KBox<Session>) {
    if session.bytes() <= KEPT {
        drop(swap(KBox::into_raw(session)));
    }
}
