// SPDX-License-Identifier: GPL-2.0

//! Gives up on programs that take the verifier long: with a signal pending it returns EAGAIN, which a
//! handler that does nothing is enough for. Rewriting does not look at such signals.

use std::io;
use std::time::Duration;

use crate::kernel::timer;

/// The most a load may take when others are waiting.
const LONGEST: Duration = Duration::from_millis(500);

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
        timer::start(LONGEST)?;
        Ok(Self(()))
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        // It succeeded before, with the same arguments but one.
        let _ = timer::start(Duration::ZERO);
    }
}

extern "C" fn nothing(_signal: i32) {}
