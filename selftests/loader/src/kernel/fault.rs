// SPDX-License-Identifier: GPL-2.0

//! Fault injection: lets an allocation of this thread fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use crate::kernel::sysctl::Setting;

const NTH: &str = "/proc/thread-self/fail-nth";
const FAILSLAB: &str = "/sys/kernel/debug/failslab";
const FAIL_PAGES: &str = "/sys/kernel/debug/fail_page_alloc";

/// Failslab, set up so that it says nothing and takes any allocation.
pub struct Faults {
    nth: File,
    /// As long as this exists.
    settings: Vec<Setting>,
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
                settings: vec![
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

    /// The same for pages too, as vmalloc takes them: each single one, from any zone.
    ///
    /// # Errors
    ///
    /// This kernel lacks either, or what it says.
    pub fn with_pages() -> io::Result<Self> {
        let none = "this kernel has no fault injection: it needs FAILSLAB and FAIL_PAGE_ALLOC";
        let mut faults = Self::open()?.ok_or_else(|| io::Error::other(none))?;
        for (name, value) in [
            ("verbose", "0"),
            ("ignore-gfp-wait", "N"),
            ("ignore-gfp-highmem", "N"),
            ("min-order", "0"),
        ] {
            let setting = Setting::set(&format!("{FAIL_PAGES}/{name}"), value)?;
            faults.settings.push(setting);
        }
        Ok(faults)
    }

    /// Returns how many allocations there are in `during`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn count<T>(&self, during: impl FnOnce() -> T) -> io::Result<(T, u32)> {
        const MANY: u32 = 1 << 30;
        let (result, left) = self.run(MANY, during)?;
        Ok((result, MANY - left))
    }

    /// Lets the `n`th allocation from now fail while `during` runs, and tells whether one did.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fail_nth<T>(&self, n: u32, during: impl FnOnce() -> T) -> io::Result<(T, bool)> {
        let (result, left) = self.run(n, during)?;
        Ok((result, left == 0))
    }

    /// The same. Returns what is left of `n`.
    fn run<T>(&self, n: u32, during: impl FnOnce() -> T) -> io::Result<(T, u32)> {
        self.nth.write_all_at(n.to_string().as_bytes(), 0)?;
        let result = during();
        let mut text = [0; 16];
        let len = self.nth.read_at(&mut text, 0)?;
        self.nth.write_all_at(b"0", 0)?;
        let text = String::from_utf8_lossy(&text[..len]);
        let left = text.trim().parse().map_err(io::Error::other)?;
        Ok((result, left))
    }
}
