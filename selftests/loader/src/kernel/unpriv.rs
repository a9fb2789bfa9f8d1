// SPDX-License-Identifier: GPL-2.0

//! Loading as an ordinary user does: without capabilities, so that the verifier guards against
//! speculation.

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

/// This process has no effective capabilities while this value exists.
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
