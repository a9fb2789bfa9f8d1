// SPDX-License-Identifier: GPL-2.0

//! The patcher's counters.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::mode::Switch;
use crate::out;

const STATS_FILE: &str = "/sys/module/bpf_patcher/parameters/stats";

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

    /// Has the kernel compared sessions, all but those for which there was no memory, and found no
    /// difference? No pass records what is refused, and nobody is killed. Tells if not.
    pub fn is_verified(&self) -> bool {
        let none = [
            "verify_differences",
            "fail_einval",
            "fail_e2big",
            "fail_eintr",
        ];
        let good = self.get("verify_sessions") > 0
            && self.get("verify_skipped") <= self.get("fail_enomem")
            && none.iter().all(|name| self.get(name) == 0);
        if !good {
            out::progress(&format!("not verified: {:?}", self.0));
        }
        good
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
    fn verified_sessions() {
        let is_verified = |text: &str| Stats::parse(text).unwrap().is_verified();
        assert!(is_verified("verify_sessions 3\nfail_erange 2\n"));
        assert!(is_verified(
            "verify_sessions 3\nverify_skipped 1\nfail_enomem 1\n"
        ));
        assert!(!is_verified("verify_sessions 0\n"));
        for bad in [
            "verify_differences",
            "verify_skipped",
            "fail_einval",
            "fail_e2big",
            "fail_eintr",
        ] {
            assert!(!is_verified(&format!("verify_sessions 3\n{bad} 1\n")));
        }
    }

    #[test]
    fn refuses_other_lines() {
        assert_eq!(Stats::parse("edits many"), None);
        assert_eq!(Stats::parse("edits"), None);
    }
}
