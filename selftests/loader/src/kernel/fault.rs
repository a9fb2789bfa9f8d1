// SPDX-License-Identifier: GPL-2.0

//! Fault injection: lets an allocation of this thread fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::kernel::sysctl::Setting;

const NTH: &str = "/proc/thread-self/fail-nth";
const FAILSLAB: &str = "/sys/kernel/debug/failslab";
const FAIL_PAGES: &str = "/sys/kernel/debug/fail_page_alloc";
/// Is this process one whose allocations may fail otherwise than by [`NTH`]?
const MAY_FAIL: &str = "/proc/self/make-it-fail";

/// Failslab, set up so that it says nothing and takes any allocation.
pub struct Faults {
    nth: File,
    /// For failures in a row. It goes before the settings: with what these were, allocations could fail.
    row: Option<Row>,
    /// As long as this exists.
    settings: Vec<Setting>,
}

/// Lets further allocations of this process fail behind the n-th one, of slabs and of pages. Files that are open
/// need no capabilities, which the process does not have while it loads an ordinary user's program.
struct Row {
    may_fail: File,
    /// How many may fail, of each.
    times: [File; 2],
}

impl Row {
    /// Nothing fails yet: the number of times is 0.
    fn open() -> io::Result<Self> {
        let open = |path: &str| OpenOptions::new().write(true).open(path);
        let row = Self {
            may_fail: open(MAY_FAIL)?,
            times: [
                open(&format!("{FAILSLAB}/times"))?,
                open(&format!("{FAIL_PAGES}/times"))?,
            ],
        };
        row.may_fail.write_all_at(b"1", 0)?;
        Ok(row)
    }

    fn set(&self, times: &str) -> io::Result<()> {
        // These have no position.
        let set = |mut file: &File| file.write_all(times.as_bytes());
        self.times.iter().try_for_each(set)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        // Nothing to be done about a failure at this point.
        let _ = self.may_fail.write_all_at(b"0", 0);
    }
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
                row: None,
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
        for place in [FAILSLAB, FAIL_PAGES] {
            // Nothing fails before the number of times is set.
            for (name, value) in [("times", "0"), ("task-filter", "Y"), ("probability", "100")] {
                let setting = Setting::set(&format!("{place}/{name}"), value)?;
                faults.settings.push(setting);
            }
        }
        faults.row = Some(Row::open()?);
        Ok(faults)
    }

    /// Returns how many allocations there are in `during`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn count<T>(&self, during: impl FnOnce() -> T) -> io::Result<(T, u32)> {
        const MANY: u32 = 1 << 30;
        let (result, left) = self.run(MANY, 1, during)?;
        Ok((result, MANY - left))
    }

    /// Lets the `n`th allocation from now fail while `during` runs, and tells whether one did.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fail_nth<T>(&self, n: u32, during: impl FnOnce() -> T) -> io::Result<(T, bool)> {
        self.fail_row(n, 1, during)
    }

    /// The same, and lets so many fail, with those behind the n-th one, until there are `row` of its kind, slabs
    /// or pages, and `row` of the other kind: many are tried another way. More than one needs
    /// [`Faults::with_pages`].
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fail_row<T>(
        &self,
        n: u32,
        row: u32,
        during: impl FnOnce() -> T,
    ) -> io::Result<(T, bool)> {
        let (result, left) = self.run(n, row, during)?;
        Ok((result, left == 0))
    }

    /// The same. Returns what is left of `n`.
    fn run<T>(&self, n: u32, row: u32, during: impl FnOnce() -> T) -> io::Result<(T, u32)> {
        // The n-th failure counts as one of its kind.
        let times = row.to_string();
        let several = self.row.as_ref().filter(|_| row > 1);
        // From here until the end of it, no other allocation fails: those in a row come behind the n-th one.
        self.nth.write_all_at(n.to_string().as_bytes(), 0)?;
        let armed = several.map_or(Ok(()), |several| several.set(&times));
        let result = during();
        let disarmed = several.map_or(Ok(()), |several| several.set("0"));
        let mut text = [0; 16];
        let len = self.nth.read_at(&mut text, 0)?;
        self.nth.write_all_at(b"0", 0)?;
        armed.and(disarmed)?;
        let text = String::from_utf8_lossy(&text[..len]);
        let left = text.trim().parse().map_err(io::Error::other)?;
        Ok((result, left))
    }
}
