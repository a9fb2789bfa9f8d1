// SPDX-License-Identifier: GPL-2.0

//! The system call itself. Each module that uses it has the attributes of its commands.

use std::ffi::c_long;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Calls bpf(2).
///
/// # Safety
///
/// `T` must be a head of `union bpf_attr` for `cmd`, and every pointer in it valid for the size
/// that stands beside it, for writing too where the command writes.
pub unsafe fn bpf<T>(cmd: u32, attr: &mut T) -> io::Result<c_long> {
    let attr: *mut T = attr;
    // SAFETY: `attr` is valid for its size; what it points to is up to the caller.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr, size_of::<T>()) };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

/// Turns the result of a command that makes a descriptor into that descriptor.
pub fn owned(ret: c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(ret as RawFd) }
}

/// Address for a pointer member of `union bpf_attr`, 0 for an empty buffer.
pub fn address<T>(buf: &[T]) -> u64 {
    if buf.is_empty() {
        0
    } else {
        buf.as_ptr() as u64
    }
}
