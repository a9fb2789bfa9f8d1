// SPDX-License-Identifier: GPL-2.0

//! The running kernel but for bpf(2): its modes, counters and settings, and being its init.

pub mod cpu;
pub mod far_jumps;
pub mod fault;
pub mod init;
pub mod jit;
pub mod lateness;
pub mod mode;
pub mod patience;
pub mod stats;
pub mod sysctl;
pub mod timer;
pub mod unpriv;
pub mod vmlinux;
