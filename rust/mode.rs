// SPDX-License-Identifier: GPL-2.0

//! The module parameter `mode`, which `params.c` holds.

use kernel::ffi::c_int;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The kernel applies edits at once.
    Stock,
    /// Sessions.
    Patcher,
    /// Sessions, each checked against what the kernel does by itself.
    Verify,
}

extern "C" {
    /// Returns an `enum bpf_patcher_mode` of `params.h`.
    fn bpf_patcher_mode() -> c_int;
}

/// Returns the mode that is set now; a session keeps the one it began with.
pub(crate) fn current() -> Mode {
    // SAFETY: The function takes nothing and reads one int.
    match unsafe { bpf_patcher_mode() } {
        1 => Mode::Patcher,
        2 => Mode::Verify,
        _ => Mode::Stock,
    }
}
