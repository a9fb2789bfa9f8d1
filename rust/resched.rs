// SPDX-License-Identifier: GPL-2.0

//! Points of rescheduling, for kernels that do not preempt themselves.

extern "C" {
    /// Of `resched.h`.
    fn bpf_patcher_resched();
}

/// Lets others run, if it is their turn. In a process that is being killed too, unlike
/// [`must_abort`](super::view::must_abort): what has to be done is done to its end.
pub(crate) fn resched() {
    // SAFETY: Sessions are used by the task that loads a program, in process context and without a
    // lock that forbids to sleep.
    unsafe { bpf_patcher_resched() }
}
