// SPDX-License-Identifier: GPL-2.0

//! Fault injection: lets an allocation of this thread fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use crate::kernel::sysctl::Setting;

const NTH: &str = "/proc/thread-self/fail-nth";
const FAILSLAB: &str = "/sys/kernel/debug/failslab";

/// Failslab, set up so that it says nothing and takes any allocation.
pub struct Faults {
    nth: File,
    _settings: [Setting; 2],
}

impl Faults {
    /// None when this kernel has no fault injection.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open() -> io::Result<Option<Self>> {
        let open = || -> io::Result<Self> {
            Ok(Self {
                nth: OpenOptions::new().read(true).write(true).open(NTH)?,
                _settings: [
                    Setting::set(&format!("{FAILSLAB}/verbose"), "0")?,
                    Setting::set(&format!("{FAILSLAB}/ignore-gfp-wait"), "N")?,
                ],
            })
        };
        match open() {
            Ok(faults) => Ok(Some(faults)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Lets the `n`th allocation from now fail while `during` runs, and tells whether one did.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fail_nth<T>(&self, n: u32, during: impl FnOnce() -> T) -> io::Result<(T, bool)> {
        self.nth.write_all_at(n.to_string().as_bytes(), 0)?;
        let result = during();
        let mut text = [0; 16];
        let len = self.nth.read_at(&mut text, 0)?;
        self.nth.write_all_at(b"0", 0)?;
        // What is left of `n`.
        let left = String::from_utf8_lossy(&text[..len]);
        Ok((result, left.trim() == "0"))
    }
}
