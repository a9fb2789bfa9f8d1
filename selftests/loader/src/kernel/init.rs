// SPDX-License-Identifier: GPL-2.0

//! The duties of PID 1: mount file systems, power off.
//!
//! Standard output is the kernel's doing: it opens `/dev/console` of the initramfs for PID 1.

use std::ffi::CString;
use std::fs::create_dir_all;

/// Source, target and type of what a measuring loader needs.
const MOUNTS: [(&str, &str, &str); 6] = [
    ("proc", "/proc", "proc"),
    ("sysfs", "/sys", "sysfs"),
    ("devtmpfs", "/dev", "devtmpfs"),
    ("debugfs", "/sys/kernel/debug", "debugfs"),
    ("bpffs", "/sys/fs/bpf", "bpf"),
    ("cgroup2", "/sys/fs/cgroup", "cgroup2"),
];

/// Is this process the first one of a kernel?
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// Mounts what is not mounted yet.
///
/// Failures are left to whoever needs the file system: it can say what is missing and why.
pub fn mount_all() {
    for (source, target, kind) in MOUNTS {
        let _ = create_dir_all(target);
        mount(source, target, kind);
    }
}

fn mount(source: &str, target: &str, kind: &str) {
    let [Ok(source), Ok(target), Ok(kind)] = [source, target, kind].map(CString::new) else {
        return;
    };
    // SAFETY: the three pointers are NUL-terminated strings that outlive the call; no data is
    // passed.
    unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            std::ptr::null(),
        );
    }
}

/// Waits until the console has taken everything, then powers off.
pub fn power_off() -> ! {
    // SAFETY: tcdrain and sync take no pointers; RB_POWER_OFF needs CAP_SYS_BOOT, which PID 1 has.
    unsafe {
        libc::tcdrain(1);
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    // Only reached when the kernel refused: PID 1 must not return.
    loop {
        std::thread::park();
    }
}
