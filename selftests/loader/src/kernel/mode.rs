// SPDX-License-Identifier: GPL-2.0

//! Which code of the running kernel rewrites programs.

use std::fmt;
use std::fs;
use std::io;

use serde_json::{json, Value};

const MODE_FILE: &str = "/sys/module/bpf_patcher/parameters/mode";

/// Which code rewrites a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel's own, one move of the tail for each edit.
    Stock,
    /// Sessions of the module, one move of the program for each pass.
    Patcher,
    /// Sessions of the module, and the kernel compares each with what its own code does.
    Verify,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Stock => "stock",
            Mode::Patcher => "patcher",
            Mode::Verify => "verify",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mode file of the running kernel; puts the mode found at the start back when dropped.
pub struct Switch {
    /// None on a kernel without the patcher.
    found: Option<String>,
    current: Option<Mode>,
}

impl Switch {
    /// Looks whether this kernel has the patcher.
    ///
    /// # Errors
    ///
    /// A mode file that cannot be written: then every result would be of one mode.
    pub fn open() -> io::Result<Self> {
        let found = match fs::read_to_string(MODE_FILE) {
            Ok(mode) => Some(mode.trim().to_owned()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Err(err) => return Err(io::Error::new(err.kind(), format!("{MODE_FILE}: {err}"))),
        };
        Ok(Self {
            found,
            current: None,
        })
    }

    /// Does this kernel have the patcher, so that there are two modes?
    pub fn has_patcher(&self) -> bool {
        self.found.is_some()
    }

    /// Modes this kernel can load programs in.
    pub fn modes(&self) -> &'static [Mode] {
        match self.has_patcher() {
            false => &[Mode::Stock],
            true => &[Mode::Stock, Mode::Patcher],
        }
    }

    /// Modes to load a program in: both, or for one that takes too long in stock, the patcher alone.
    /// None on a kernel that has only stock.
    pub fn modes_for(&self, both: bool) -> &'static [Mode] {
        match (both, self.has_patcher()) {
            (true, _) => self.modes(),
            (false, true) => &[Mode::Patcher],
            (false, false) => &[],
        }
    }

    /// All modes of this kernel.
    pub fn all_modes(&self) -> &'static [Mode] {
        match self.has_patcher() {
            false => &[Mode::Stock],
            true => &[Mode::Stock, Mode::Patcher, Mode::Verify],
        }
    }

    /// The running kernel, for the head of the results.
    pub fn kernel(&self) -> Value {
        let read = |path: &str| {
            fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        json!({
            "release": read("/proc/sys/kernel/osrelease"),
            "version": read("/proc/version"),
            "modes": self.modes().iter().map(|mode| mode.name()).collect::<Vec<_>>(),
        })
    }

    /// Makes the next loads use `mode`.
    ///
    /// # Errors
    ///
    /// The kernel refused, or has no patcher to switch to.
    pub fn set(&mut self, mode: Mode) -> io::Result<()> {
        if self.current == Some(mode) {
            return Ok(());
        }
        if self.has_patcher() {
            fs::write(MODE_FILE, mode.name())
                .map_err(|err| io::Error::new(err.kind(), format!("{MODE_FILE}: {err}")))?;
        } else if mode != Mode::Stock {
            return Err(io::Error::other(format!(
                "{MODE_FILE}: this kernel has no patcher"
            )));
        }
        self.current = Some(mode);
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(mode) = &self.found {
            // Nothing to be done about a failure at this point.
            let _ = fs::write(MODE_FILE, mode);
        }
    }
}
