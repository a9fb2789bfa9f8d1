// SPDX-License-Identifier: GPL-2.0

//! Loads in which an allocation fails, so that the JIT gives up.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{outcome_of, Outcome};
use crate::bpf::{self, Spec, ENOTSUPP};

/// The number of the allocation of this thread that is to fail; 0 once it has.
const NTH: &str = "/proc/thread-self/fail-nth";
/// What has to be off for an allocation to fail that may sleep.
const IGNORES: [&str; 2] = ["failslab", "fail_page_alloc"];
/// No load makes as many allocations.
const MOST: u32 = 20_000;

/// The file stays open: to open it would be one more allocation.
pub struct Allocations(File);

impl Allocations {
    /// Lets allocations that may sleep fail, too.
    ///
    /// # Errors
    ///
    /// This kernel has no fault injection.
    pub fn open() -> io::Result<Self> {
        let nth = File::options().read(true).write(true).open(NTH)?;
        for kind in IGNORES {
            let mut path = PathBuf::from("/sys/kernel/debug");
            path.extend([kind, "ignore-gfp-wait"]);
            fs::write(path, "N")?;
        }
        Ok(Self(nth))
    }

    /// Has allocation `nth` from now on fail; with 0 none.
    fn set(&self, nth: u32) -> io::Result<()> {
        self.0.write_at(nth.to_string().as_bytes(), 0).map(drop)
    }

    /// Was there no allocation that failed since?
    fn is_left(&self) -> io::Result<bool> {
        let mut text = [0; 16];
        let len = self.0.read_at(&mut text, 0)?;
        Ok(text[..len].trim_ascii() != b"0")
    }

    /// Loads a program with one allocation after the other failing. Returns what came of a load that
    /// was not JITed: the first for which `right` is not true, or the last.
    ///
    /// # Errors
    ///
    /// No failing allocation has the JIT give up; or what the kernel says when it is asked about the
    /// program.
    pub fn load_without_jit(
        &self,
        spec: &Spec,
        right: fn(&Outcome) -> bool,
    ) -> io::Result<(Outcome, Option<OwnedFd>)> {
        let mut last = None;
        for nth in 1..MOST {
            self.set(nth)?;
            let loaded = bpf::load(spec);
            let left = self.is_left()?;
            self.set(0)?;
            match loaded {
                Ok((prog, _)) if !bpf::is_jited(prog.as_fd())? => {
                    let outcome = outcome_of(&prog)?;
                    if !right(&outcome) {
                        return Ok((outcome, Some(prog)));
                    }
                    last = Some((outcome, Some(prog)));
                }
                Err(err) if err.raw_os_error() == Some(ENOTSUPP) => {
                    return Ok((Outcome::Refused(ENOTSUPP, String::new()), None));
                }
                // There was no such allocation: all have failed once.
                Ok(_) if left => break,
                _ => {}
            }
        }
        last.ok_or_else(|| io::Error::other("no failing allocation has the JIT give up"))
    }
}
