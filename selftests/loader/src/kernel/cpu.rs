// SPDX-License-Identifier: GPL-2.0

//! Which CPU a thread runs on, and in front of whom.

use std::io;
use std::mem;

/// Keeps the calling thread on one CPU.
///
/// # Errors
///
/// There is no such CPU.
pub fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: The set is plain data; all zeros is the empty one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` is checked by the macro's bounds, the set is ours.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: The set has the stated size.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the calling thread run in front of all that are not of a real-time policy, for as long as it likes.
///
/// # Errors
///
/// Only root may.
pub fn come_first() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: `priority` is valid; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
