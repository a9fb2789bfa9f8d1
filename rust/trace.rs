// SPDX-License-Identifier: GPL-2.0

//! The tracepoint `bpf_patcher:bpf_patcher_session`, of `trace.h`.

use kernel::ffi::{
    c_char,
    c_int, //
};

/// A session that was linearized, or not, as in `trace.h`.
#[repr(C)]
pub(crate) struct Session {
    pub(crate) prog: *const c_char,
    pub(crate) pass: u32,
    pub(crate) edits: u32,
    /// Insns before and after.
    pub(crate) old_len: u32,
    pub(crate) new_len: u32,
    pub(crate) record_ns: u64,
    pub(crate) linearize_ns: u64,
    /// 0, or an errno.
    pub(crate) result: c_int,
}

extern "C" {
    fn bpf_patcher_trace(session: *const Session);
}

/// Tells those who trace.
pub(crate) fn session(session: &Session) {
    // SAFETY: The function reads `session` and its name, which are valid meanwhile.
    unsafe { bpf_patcher_trace(session) }
}
