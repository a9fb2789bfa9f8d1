// SPDX-License-Identifier: GPL-2.0

//! Gives up on programs that take the verifier long: with a signal pending it returns EAGAIN, which a
//! handler that does nothing is enough for. Rewriting does not look at such signals.

use std::io;

/// The most a load may take when others are waiting, in µs.
const LONGEST: i64 = 500_000;

/// A load is given up when it takes too long, while this value exists.
pub struct Hurry(());

impl Hurry {
    /// # Errors
    ///
    /// None that the kernel documents for these arguments.
    pub fn start() -> io::Result<Self> {
        // SAFETY: all zeroes is a valid value: no flags, so that system calls are not restarted.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        // SAFETY: `action` is valid, its handler takes one number as those without SA_SIGINFO do and
        // does nothing; the old action is not asked for.
        if unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        set(LONGEST)?;
        Ok(Self(()))
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        // It succeeded before, with the same arguments but one.
        let _ = set(0);
    }
}

extern "C" fn nothing(_signal: i32) {}

fn set(micros: i64) -> io::Result<()> {
    let zero = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let timer = libc::itimerval {
        it_interval: zero,
        it_value: libc::timeval {
            tv_usec: micros,
            ..zero
        },
    };
    // SAFETY: `timer` is valid; the old value is not asked for.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
