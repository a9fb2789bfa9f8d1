// SPDX-License-Identifier: GPL-2.0

//! What loaders share: the spare session, in the module's very source file, and sessions of a
//! stand-in, as those of the module need a kernel. Several threads take it, use it and give it
//! back. ThreadSanitizer sees whether the next one may use what the last one wrote: `make trust`,
//! part `host`.

use crate::kunit::harness::{mov, replace};
use kernel::prelude::{KBox, GFP_KERNEL_ACCOUNT};
use session::Session;
use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

const THREADS: u32 = 4;
const SESSIONS: u32 = 5_000;
/// Most memory that a session may leave to the next, in bytes.
const KEPT: usize = 64 << 10;

/// Sessions that exist. Says nothing of the order in which threads come, which is the spare session's.
static ALIVE: AtomicU32 = AtomicU32::new(0);

mod session {
    use super::{Relaxed, ALIVE};
    use crate::engine::log::Log;

    pub(crate) struct Session {
        pub(super) log: Log,
        /// Who uses it; 0 if none does.
        pub(super) user: u32,
        /// Who used it last.
        pub(super) last: u32,
    }

    impl Session {
        pub(super) fn new(len: u32) -> Self {
            ALIVE.fetch_add(1, Relaxed);
            Self {
                log: Log::new(len),
                user: 0,
                last: 0,
            }
        }
    }

    impl Drop for Session {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Relaxed);
        }
    }
}

#[path = "../../../rust/spare.rs"]
mod spare;

static SPARE: spare::Spare<Session> = spare::Spare::new();

/// Loads programs, one in 16 with more edits than a spare session keeps. Lets another thread go on
/// now and then when it has put one back. Returns how many began in one that another thread had used.
fn loads(user: u32) -> u32 {
    let mut handed = 0;
    for n in 0..SESSIONS {
        let edits = if n % 16 == user { 5_000 } else { n % 32 + 1 };
        let mut session = match SPARE.take() {
            Some(spare) => spare,
            None => KBox::new(Session::new(edits), GFP_KERNEL_ACCOUNT).expect("memory"),
        };
        assert_eq!(session.user, 0, "a session that another one uses");
        session.user = user;
        handed += u32::from(![0, user].contains(&session.last));
        session.last = user;
        session.log.reset(edits);
        for idx in 0..edits {
            replace(&mut session.log, idx, &[mov(0), mov(user as i32)]).expect("a valid edit");
        }
        assert_eq!(session.log.edits().len(), edits as usize);
        assert_eq!(session.user, user, "a session that another one uses");
        session.user = 0;
        if session.log.bytes() + session.log.table_bytes() <= KEPT {
            SPARE.put(session);
        }
        if n % 8 == 0 {
            thread::yield_now();
        }
    }
    handed
}

#[test]
fn a_spare_session_has_one_user() {
    let threads: Vec<_> = (1..=THREADS)
        .map(|user| thread::spawn(move || loads(user)))
        .collect();
    let handed: u32 = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread that has ended"))
        .sum();
    assert!(handed > SESSIONS / 100, "{handed} sessions handed over");
    let last = SPARE.take();
    assert_eq!(
        ALIVE.load(Relaxed),
        u32::from(last.is_some()),
        "sessions that nobody has"
    );
    drop(last);
    assert_eq!(ALIVE.load(Relaxed), 0);
}
