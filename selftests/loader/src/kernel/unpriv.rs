// SPDX-License-Identifier: GPL-2.0

//! Loading as an ordinary user does, without capabilities, or with CAP_BPF but without CAP_PERFMON: the
//! verifier guards against speculation.

use std::io;

use crate::kernel::sysctl::Setting;

/// The user and group id of nobody.
const NOBODY: u32 = 65534;

/// Lets ordinary users load programs while the setting exists.
///
/// # Errors
///
/// The kernel refused: it does for good once the setting was 1.
pub fn allow() -> io::Result<Setting> {
    Setting::set("kernel/unprivileged_bpf_disabled", "0")
}

/// `CAP_NET_ADMIN`, `CAP_BPF`, and the version of the structures of capset(2) with two words for a set.
const CAP_NET_ADMIN: usize = 12;
const CAP_BPF: usize = 39;
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// This process lacks effective capabilities while this value exists.
pub struct Dropped(());

impl Dropped {
    /// Makes nobody the effective user, which takes the effective capabilities away; the real user
    /// stays root, so that there is a way back.
    ///
    /// # Errors
    ///
    /// This process is not root.
    pub fn drop_all() -> io::Result<Self> {
        set_effective(NOBODY).map(|()| Self(()))
    }

    /// The same, but for CAP_BPF and CAP_NET_ADMIN: long programs, functions and callbacks are allowed, and
    /// CAP_PERFMON is missing.
    ///
    /// # Errors
    ///
    /// This process is not root.
    pub fn to_cap_bpf() -> io::Result<Self> {
        let dropped = Self::drop_all()?;
        raise(CAP_BPF)?;
        raise(CAP_NET_ADMIN)?;
        Ok(dropped)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        set_effective(0).expect("root's real user id allows going back to it");
    }
}

fn set_effective(user: u32) -> io::Result<()> {
    // SAFETY: takes a number, no pointers.
    match unsafe { libc::seteuid(user) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes a permitted capability effective.
fn raise(cap: usize) -> io::Result<()> {
    let mut header = CapHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut data = [CapData::default(); 2];
    // SAFETY: this version of the header has two words of data; both are valid for writing.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    data[cap / 32].effective |= 1 << (cap % 32);
    // SAFETY: as above.
    match unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
