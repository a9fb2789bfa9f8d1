// SPDX-License-Identifier: GPL-2.0

//! What became of the programs so far.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{json, Value};

use super::compare::Outcome;
use super::coverage::Coverage;
use crate::args::RandomArgs;
use crate::bpf;
use crate::generator::Case;
use crate::kernel::stats::Stats;
use crate::out;

#[derive(Default)]
pub struct Tally {
    pub loaded: u64,
    pub refused: u64,
    /// Of those refused: for their callbacks, at the very end, as there is no JIT.
    pub refused_callback: u64,
    /// Of those refused: as verifying took too long.
    pub refused_slow: u64,
    pub unprivileged: u64,
    pub insns: u64,
    pub identical: u64,
    pub differences: u64,
    pub reasons: BTreeMap<String, u64>,
    pub coverage: Coverage,
}

impl Tally {
    pub fn add(
        &mut self,
        case: &Case,
        outcome: Outcome,
        seed: u64,
        number: u64,
        args: &RandomArgs,
    ) {
        self.coverage.given(case);
        self.insns += case.spec.insns.len() as u64;
        self.unprivileged += u64::from(case.spec.unprivileged);
        match outcome {
            Outcome::Identical => {
                self.loaded += 1;
                self.identical += 1;
            }
            Outcome::Loaded => self.loaded += 1,
            Outcome::Slow => {
                self.refused += 1;
                self.refused_slow += 1;
            }
            Outcome::Refused(err) => {
                self.refused += 1;
                let callback = case.callback && err.raw_os_error() == Some(libc::EINVAL);
                self.refused_callback += u64::from(callback);
                if args.only.is_some() {
                    out::progress(&bpf::log(&case.spec));
                }
                if args.reasons || args.only.is_some() {
                    let reason = bpf::refusal(&case.spec).unwrap_or_default();
                    out::progress(&format!(
                        "case {number}: {} refused, {err}: {reason}",
                        case.kind
                    ));
                    let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
                    let reason: String = reason.chars().map(digits).collect();
                    *self.reasons.entry(reason).or_default() += 1;
                }
            }
            Outcome::Different(text) => {
                self.loaded += 1;
                self.differences += 1;
                out::progress(&format!("seed {seed} case {number}: {text}"));
                out::json(&json!({ "random": {
                    "seed": seed, "case": number, "kind": case.kind, "difference": text,
                }}));
            }
        }
    }

    /// The result; `grown` is how the counters have.
    pub fn summary(&self, args: &RandomArgs, seed: u64, grown: &Stats, start: Instant) -> Value {
        json!({
            "command": "random",
            "seed": seed,
            "verify": args.verify,
            "count": self.loaded + self.refused,
            "loaded": self.loaded,
            "refused": self.refused,
            "refused_callback": self.refused_callback,
            "refused_slow": self.refused_slow,
            "unprivileged": self.unprivileged,
            "insns": self.insns,
            "edits": grown.get("edits"),
            "sessions": grown.get("sessions"),
            "identical": self.identical,
            "differences": self.differences,
            "verify_sessions": grown.get("verify_sessions"),
            "verify_differences": grown.get("verify_differences"),
            "verify_loads": grown.get("verify_loads"),
            "seconds": start.elapsed().as_secs_f64(),
        })
    }
}
