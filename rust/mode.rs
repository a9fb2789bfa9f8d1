// SPDX-License-Identifier: GPL-2.0

//! The module parameters `mode` and `far_jumps`, which `params.c` holds.

use kernel::ffi::c_int;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The kernel applies edits one by one.
    Stock,
    /// Sessions.
    Patcher,
    /// Sessions, each checked against what the kernel does by itself.
    Verify,
}

impl Mode {
    /// Returns the name, as the parameter has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Stock => "stock",
            Mode::Patcher => "patcher",
            Mode::Verify => "verify",
        }
    }
}

extern "C" {
    /// Returns an `enum bpf_patcher_mode` of `params.h`.
    fn bpf_patcher_mode() -> c_int;
    fn bpf_patcher_far_jumps() -> bool;
}

/// Are jumps that no longer fit to be relaxed? If not, their program is refused.
pub(crate) fn far_jumps() -> bool {
    // SAFETY: The function takes nothing and reads one bool.
    unsafe { bpf_patcher_far_jumps() }
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
