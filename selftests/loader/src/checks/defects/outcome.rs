// SPDX-License-Identifier: GPL-2.0

//! What became of a program, and what that says about the defect.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::bpf::insn::{decode, Insn};
use crate::bpf::{self, Detail, Report, Spec};

/// What a loaded program says about a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The result is the wrong one that stock gives.
    Shows,
    Right,
    /// The result is neither: for instance the program is refused for another reason.
    Unclear,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Shows => "shows",
            Verdict::Right => "right",
            Verdict::Unclear => "unclear",
        }
    }
}

/// What a look at a defect finds.
pub enum Finding {
    /// With what became of the program.
    Seen(Verdict, String),
    /// Why this kernel cannot show the defect.
    NotHere(String),
}

impl Finding {
    pub fn not_here(reason: &str) -> io::Result<Self> {
        Ok(Finding::NotHere(reason.to_owned()))
    }
}

/// A program that was loaded.
pub struct Loaded {
    pub prog: OwnedFd,
    /// After rewriting.
    pub insns: Vec<Insn>,
    /// The insns that line info is about.
    pub lines: Vec<u32>,
    /// The JIT has compiled it.
    pub jited: bool,
}

/// What became of a program.
pub enum Outcome {
    Loaded(Loaded),
    /// With the error number and the reason that the verifier gives.
    Refused(i32, String),
}

impl Outcome {
    /// The outcome in words, with a verdict.
    pub fn judged(&self, verdict: Verdict) -> io::Result<Finding> {
        Ok(Finding::Seen(verdict, self.to_string()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Loaded(Loaded { insns, lines, .. }) if lines.is_empty() => {
                write!(f, "loads as {} insns", insns.len())
            }
            Outcome::Loaded(Loaded { insns, lines, .. }) => {
                write!(
                    f,
                    "loads as {} insns, lines of insns {lines:?}",
                    insns.len()
                )
            }
            Outcome::Refused(errno, reason) => write!(f, "refused with {errno}: {reason}"),
        }
    }
}

/// The insns that line info is about: the first member of each record.
fn lines_of(report: &Report) -> Vec<u32> {
    let records = report.line_info.bytes.chunks(report.line_info.size.max(1));
    let first = |record: &[u8]| record.first_chunk().copied().map(u32::from_ne_bytes);
    records.filter_map(first).collect()
}

/// Asks what became of a program.
///
/// # Errors
///
/// What the kernel says to the question.
pub fn loaded(prog: OwnedFd) -> io::Result<Loaded> {
    let report = bpf::report(prog.as_fd(), Detail::Full)?;
    Ok(Loaded {
        lines: lines_of(&report),
        insns: decode(&report.xlated.unwrap_or_default()),
        jited: bpf::is_jited(prog.as_fd())?,
        prog,
    })
}

/// Loads a program.
///
/// # Errors
///
/// A program that is loaded cannot be asked about.
pub fn load(spec: &Spec) -> io::Result<Outcome> {
    match bpf::load(spec) {
        Ok((prog, _)) => loaded(prog).map(Outcome::Loaded),
        Err(err) => {
            let reason = bpf::refusal(spec).unwrap_or_default();
            let errno = err.raw_os_error().unwrap_or_default();
            Ok(Outcome::Refused(errno, reason))
        }
    }
}
