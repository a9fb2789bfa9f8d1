// SPDX-License-Identifier: GPL-2.0

//! The patcher's mode file and counters.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;

use serde_json::{json, Value};

const MODE_FILE: &str = "/sys/module/bpf_patcher/parameters/mode";
const STATS_FILE: &str = "/sys/kernel/debug/bpf_patcher/stats";

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
    verify: bool,
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
            verify: false,
        })
    }

    /// Lets mode `verify` take the place of `patcher` in what programs are loaded in.
    ///
    /// # Errors
    ///
    /// This kernel has no patcher.
    pub fn use_verify(&mut self) -> io::Result<()> {
        if !self.has_patcher() {
            return Err(io::Error::other("this kernel has no patcher to verify"));
        }
        self.verify = true;
        Ok(())
    }

    /// Does this kernel have the patcher, so that there are two modes?
    pub fn has_patcher(&self) -> bool {
        self.found.is_some()
    }

    /// Modes this kernel can load programs in.
    pub fn modes(&self) -> &'static [Mode] {
        match (self.has_patcher(), self.verify) {
            (false, _) => &[Mode::Stock],
            (true, false) => &[Mode::Stock, Mode::Patcher],
            (true, true) => &[Mode::Stock, Mode::Verify],
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

/// Counters of the patcher, cumulative since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// Reads the counters.
    ///
    /// # Errors
    ///
    /// No debugfs, or a line that is not `name value`.
    pub fn read() -> io::Result<Self> {
        let text = fs::read_to_string(STATS_FILE)
            .map_err(|err| io::Error::new(err.kind(), format!("{STATS_FILE}: {err}")))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::other(format!("{STATS_FILE}: not `name value` lines")))
    }

    /// The same, and nothing on a kernel without a patcher.
    ///
    /// # Errors
    ///
    /// As for [`Stats::read`].
    pub fn read_if(switch: &Switch) -> io::Result<Self> {
        if switch.has_patcher() {
            Self::read()
        } else {
            Ok(Self::default())
        }
    }

    fn parse(text: &str) -> Option<Self> {
        text.lines()
            .map(|line| {
                let (name, value) = line.split_once(char::is_whitespace)?;
                Some((name.to_owned(), value.trim().parse().ok()?))
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Growth of every counter since `before`.
    pub fn since(&self, before: &Stats) -> Stats {
        let grown =
            |(name, value): (&String, &u64)| (name.clone(), value.saturating_sub(before.get(name)));
        Self(self.0.iter().map(grown).collect())
    }

    /// Value of a counter, 0 when the kernel does not have it.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Has the kernel compared sessions, and found no difference?
    pub fn is_verified(&self) -> bool {
        self.get("verify_sessions") > 0 && self.get("verify_differences") == 0
    }

    /// Time spent rewriting, in ns: sessions open for recording, and linearize.
    pub fn rewrite_ns(&self) -> u64 {
        self.get("record_ns") + self.get("linearize_ns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delta_of_counters() {
        let before = Stats::parse("edits 3\nrecord_ns 10\n").unwrap();
        let after = Stats::parse("edits 5\nrecord_ns 17\nlinearize_ns 4\n").unwrap();
        let delta = after.since(&before);
        assert_eq!(delta.get("edits"), 2);
        assert_eq!(delta.rewrite_ns(), 11);
        assert_eq!(delta.get("absent"), 0);
    }

    #[test]
    fn refuses_other_lines() {
        assert_eq!(Stats::parse("edits many"), None);
        assert_eq!(Stats::parse("edits"), None);
    }
}
