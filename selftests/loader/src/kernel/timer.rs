// SPDX-License-Identifier: GPL-2.0

//! The clock, and the timer of this process, which sends it SIGALRM.

use std::io;
use std::time::Duration;

/// The time on a clock that all processes have in common.
pub fn now() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Sleeps until it is `due` on that clock.
///
/// # Errors
///
/// A signal has come.
pub fn sleep_until(due: Duration) -> io::Result<()> {
    let due = libc::timespec {
        tv_sec: due.as_secs() as libc::time_t,
        tv_nsec: due.subsec_nanos().into(),
    };
    // SAFETY: `due` is valid; what is left is not asked for.
    let errno = unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &due,
            std::ptr::null_mut(),
        )
    };
    match errno {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Starts the timer, or stops it if `after` is 0.
///
/// # Errors
///
/// None that the kernel documents for these arguments.
pub fn start(after: Duration) -> io::Result<()> {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: after.as_secs() as libc::time_t,
            tv_usec: after.subsec_micros().into(),
        },
    };
    // SAFETY: `timer` is valid; the old value is not asked for.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
