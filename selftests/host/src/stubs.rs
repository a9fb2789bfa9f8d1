// SPDX-License-Identifier: GPL-2.0

//! C functions that the engine and its KUnit suites call, as far as that goes without a kernel.

use kernel::{
    bindings,
    ffi::c_int,
    prelude::{EBUSY, EPROTO},
};
use std::cell::Cell;

std::thread_local! {
    /// What [`bpf_rewrite_must_abort`] says.
    pub(crate) static ABORT: Cell<bool> = const { Cell::new(false) };
}

#[no_mangle]
extern "C" fn bpf_rewrite_must_abort() -> bool {
    ABORT.get()
}

/// The module of the suites is registered, as in the kernel.
#[no_mangle]
unsafe extern "C" fn bpf_patcher_register(ops: *const bindings::bpf_patcher_ops) -> c_int {
    // SAFETY: `ops` is a valid structure.
    match unsafe { (*ops).version } {
        bindings::BPF_PATCHER_VERSION => EBUSY.to_errno(),
        _ => EPROTO.to_errno(),
    }
}
