// SPDX-License-Identifier: GPL-2.0

//! Which CPU a thread runs on.

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
