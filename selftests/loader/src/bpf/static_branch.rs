// SPDX-License-Identifier: GPL-2.0

//! Switches static branches. A set of them is an insn array.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::sys::bpf;

/// `BPF_STATIC_BRANCH_UPDATE`, which libbpf's headers do not know yet.
const STATIC_BRANCH_UPDATE: u32 = 39;

/// Head of `union bpf_attr` for `BPF_STATIC_BRANCH_UPDATE`.
#[repr(C)]
struct UpdateAttr {
    map_fd: u32,
    on: u32,
}

/// Switches all branches of a set.
///
/// # Errors
///
/// What the kernel says: that it does not know the command, that the set has no program.
pub fn switch(set: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut attr = UpdateAttr {
        map_fd: set.as_raw_fd() as u32,
        on: on.into(),
    };
    // SAFETY: `attr` is the head of the attributes for the command and has no pointers.
    unsafe { bpf(STATIC_BRANCH_UPDATE, &mut attr) }.map(drop)
}
