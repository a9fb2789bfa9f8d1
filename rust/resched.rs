// SPDX-License-Identifier: GPL-2.0

//! Points of rescheduling, for kernels that do not preempt themselves.

extern "C" {
    // Of `shims.h`.
    fn bpf_patcher_resched();
    fn bpf_patcher_is_killed() -> bool;
}

/// Lets others run, if it is their turn. In a process that is being killed too, unlike
/// [`must_abort`]: what has to be done is done to its end.
pub(crate) fn resched() {
    // SAFETY: Sessions are used by the task that loads a program, in process context and without a
    // lock that forbids to sleep.
    unsafe { bpf_patcher_resched() }
}

/// Lets others run; to be called now and then in long loops. Returns whether the loading process is
/// being killed.
pub(crate) fn must_abort() -> bool {
    // SAFETY: The function takes nothing, and reads flags of this task.
    let is_killed = unsafe { bpf_patcher_is_killed() };
    if !is_killed {
        resched();
    }
    is_killed
}
