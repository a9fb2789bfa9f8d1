// SPDX-License-Identifier: GPL-2.0

//! Loads one program again and again, modes taking turns, and makes a row of the times.

use std::io;

use serde_json::{json, Map, Value};

use crate::bpf::{self, Detail, Spec};
use crate::checks::runner::{differs, names, Made, Runner};
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;
use crate::out;

/// A load that takes longer than this, in ns, is reported as it happens.
const SLOW_NS: u64 = 2_000_000_000;

/// How a program is to be loaded.
pub struct Plan<'a> {
    pub spec: &'a Spec,
    /// Program without need of rewriting, loaded in stock mode in each round as a yardstick.
    pub twin: Option<&'a Spec>,
    pub modes: &'a [Mode],
    /// Loads in each mode.
    pub rounds: usize,
}

/// Loads of one mode.
struct Samples {
    mode: Mode,
    ns: Vec<u64>,
    stats: Vec<Stats>,
    /// Why it refuses the program.
    refused: Option<(io::Error, Option<String>)>,
}

/// What became of a program.
pub struct Row {
    samples: Vec<Samples>,
    twin_ns: Vec<u64>,
    /// The first load that gave a program.
    first: Option<Made>,
    /// The first difference of another load from that.
    difference: Option<String>,
}

impl Row {
    /// Loads a program as planned.
    ///
    /// # Errors
    ///
    /// The mode cannot be switched or the counters not be read. A program that is refused is no
    /// error, it is what the row says.
    pub fn measure(runner: &mut Runner, plan: &Plan) -> io::Result<Self> {
        let of_mode = |&mode| Samples {
            mode,
            ns: Vec::new(),
            stats: Vec::new(),
            refused: None,
        };
        let mut row = Self {
            samples: plan.modes.iter().map(of_mode).collect(),
            twin_ns: Vec::new(),
            first: None,
            difference: None,
        };
        // The kernel cannot report the insns of the longest ones, of which there is no other mode to compare with.
        let detail = match plan.modes {
            [Mode::Patcher] => Detail::Length,
            _ => Detail::Small,
        };
        for round in 0..plan.rounds {
            // Whoever comes after a long load of stock pays for its freed pages: every second round goes
            // the other way.
            let reverse = round % 2 == 1;
            if reverse {
                row.load_twin(runner, plan)?;
            }
            for at in 0..plan.modes.len() {
                let at = if reverse {
                    plan.modes.len() - 1 - at
                } else {
                    at
                };
                row.load(runner, plan.spec, at, detail)?;
            }
            if !reverse {
                row.load_twin(runner, plan)?;
            }
        }
        Ok(row)
    }

    fn load(
        &mut self,
        runner: &mut Runner,
        spec: &Spec,
        at: usize,
        detail: Detail,
    ) -> io::Result<()> {
        let samples = &mut self.samples[at];
        if samples.refused.is_some() {
            return Ok(());
        }
        let made = runner.load(samples.mode, spec, detail)?;
        if let Err(err) = made.result {
            samples.refused = Some((err, bpf::refusal(spec)));
            return Ok(());
        }
        let ns = made.took.as_nanos() as u64;
        if ns > SLOW_NS {
            let (mode, seconds) = (samples.mode, ns as f64 / 1e9);
            out::progress(&format!("{}: {mode} took {seconds:.1} s", spec.name));
        }
        samples.ns.push(ns);
        samples.stats.push(made.stats.clone());
        match &self.first {
            None => self.first = Some(made),
            Some(first) if self.difference.is_none() => {
                self.difference = differs(spec, first, &made)
                    .map(|how| format!("a load in mode {}: {how}", samples.mode));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn load_twin(&mut self, runner: &mut Runner, plan: &Plan) -> io::Result<()> {
        let Some(twin) = plan.twin else {
            return Ok(());
        };
        let made = runner.load(Mode::Stock, twin, Detail::Length)?;
        if made.result?.insns != twin.insns.len() {
            let text = format!("{}: was rewritten, is no yardstick", twin.name);
            return Err(io::Error::other(text));
        }
        self.twin_ns.push(made.took.as_nanos() as u64);
        Ok(())
    }

    pub fn refused(&self) -> impl Iterator<Item = (Mode, &io::Error, Option<&str>)> {
        self.samples.iter().filter_map(|samples| {
            let (err, reason) = samples.refused.as_ref()?;
            Some((samples.mode, err, reason.as_deref()))
        })
    }

    /// Loaded in every mode?
    fn loaded(&self) -> bool {
        self.refused().next().is_none()
    }

    /// Refused in every mode, for the same reason?
    pub fn is_refused(&self) -> bool {
        let mut errnos: Vec<_> = self
            .refused()
            .map(|(_, err, _)| err.raw_os_error())
            .collect();
        let everywhere = errnos.len() == self.samples.len();
        errnos.dedup();
        everywhere && errnos.len() == 1
    }

    /// Do both modes give the same? None if there was nothing to compare.
    pub fn identical(&self) -> Option<bool> {
        (self.loaded() && self.samples.len() > 1).then_some(self.difference.is_none())
    }

    /// Did the length change, so that something was rewritten?
    pub fn rewritten(&self, spec: &Spec) -> bool {
        let report = self
            .first
            .as_ref()
            .and_then(|made| made.result.as_ref().ok());
        report.is_some_and(|report| report.insns != spec.insns.len())
    }

    /// Is it loaded in every mode, always as the same, and rewritten by the patcher if it is in that mode?
    pub fn is_good(&self, spec: &Spec) -> bool {
        let edits = self.counted().map(|stats| stats.get("edits"));
        let missed = self.rewritten(spec) && edits == Some(0);
        self.loaded() && self.difference.is_none() && !missed
    }

    /// Was the program refused in mode stock alone, as a jump did not fit?
    pub fn too_far(&self) -> bool {
        !self.loaded()
            && self.refused().all(|(mode, err, reason)| {
                mode == Mode::Stock && bpf::is_too_far(err, reason.unwrap_or_default())
            })
    }

    /// How many times as long as its twin the program takes at least, in the last mode.
    pub fn to_twin(&self) -> f64 {
        let took = self
            .samples
            .last()
            .and_then(|samples| samples.ns.iter().min());
        let both = took.zip(self.twin_ns.iter().min());
        both.and_then(|(took, twin)| ratio(*took, *twin))
            .unwrap_or(f64::INFINITY)
    }

    /// The counters of the first load that is not in stock.
    pub fn counted(&self) -> Option<&Stats> {
        let mut others = self
            .samples
            .iter()
            .filter(|samples| samples.mode != Mode::Stock);
        others.next()?.stats.first()
    }

    /// The median time that rewriting takes where the patcher does it, in ns.
    pub fn rewrite_ns(&self) -> u64 {
        let others = self
            .samples
            .iter()
            .filter(|samples| samples.mode != Mode::Stock);
        let times = others.flat_map(|samples| samples.stats.iter().map(Stats::rewrite_ns));
        median(&times.collect::<Vec<_>>())
    }

    /// The length of the program as it was loaded.
    pub fn insns_after(&self) -> Option<usize> {
        let report = self.first.as_ref()?.result.as_ref().ok()?;
        Some(report.insns)
    }

    /// The median time of a load in each mode, in ns, in the order of the plan.
    pub fn medians(&self) -> Vec<u64> {
        self.samples
            .iter()
            .map(|samples| median(&samples.ns))
            .collect()
    }

    /// The row as it is printed.
    pub fn json(&self, plan: &Plan) -> Map<String, Value> {
        let errors = self.refused().map(|(mode, err, reason)| {
            json!({
                "mode": mode.name(), "errno": err.raw_os_error(), "text": err.to_string(), "reason": reason,
            })
        });
        let errors: Vec<_> = errors.collect();
        let mut row = Map::new();
        let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
        put("name", json!(plan.spec.name));
        put("insns_before", json!(plan.spec.insns.len()));
        put("modes", names(plan.modes));
        put("loaded", json!(self.loaded()));
        put("identical", json!(self.identical()));
        put("difference", json!(self.difference));
        if !errors.is_empty() {
            put("errors", json!(errors));
        }
        if let Some(Ok(report)) = self.first.as_ref().map(|made| &made.result) {
            put("insns_after", json!(report.insns));
            put("verified_insns", json!(report.verified_insns));
        }
        for samples in &self.samples {
            put_times(&mut row, samples.mode.name(), &samples.ns);
            if !self.twin_ns.is_empty() {
                let to_twin = ratio(median(&samples.ns), median(&self.twin_ns));
                row.insert(format!("{}_to_twin", samples.mode), json!(to_twin));
            }
        }
        put_times(&mut row, "twin", &self.twin_ns);
        if let [stock, patcher] = &self.samples[..] {
            let ratio = ratio(median(&stock.ns), median(&patcher.ns));
            row.insert("ratio".to_owned(), json!(ratio));
        }
        if let Some(first) = self.counted() {
            for name in ["edits", "sessions"] {
                row.insert(name.to_owned(), json!(first.get(name)));
            }
            let others = self
                .samples
                .iter()
                .filter(|samples| samples.mode != Mode::Stock);
            let stats: Vec<_> = others.flat_map(|samples| &samples.stats).collect();
            let times =
                |of: fn(&Stats) -> u64| stats.iter().map(|stats| of(stats)).collect::<Vec<_>>();
            put_times(&mut row, "rewrite", &times(Stats::rewrite_ns));
            put_times(&mut row, "record", &times(|stats| stats.get("record_ns")));
            put_times(
                &mut row,
                "linearize",
                &times(|stats| stats.get("linearize_ns")),
            );
        }
        row
    }
}

/// Adds the samples of a time, their minimum and median, if there are any.
fn put_times(row: &mut Map<String, Value>, name: &str, ns: &[u64]) {
    if !ns.is_empty() {
        row.insert(format!("{name}_ns"), json!(ns));
        row.insert(format!("{name}_ns_min"), json!(ns.iter().min()));
        row.insert(format!("{name}_ns_median"), json!(median(ns)));
    }
}

/// Middle value, the lower one of two; 0 of nothing.
pub fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(0)
}

/// Quotient of two times; None for a division by zero.
fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| a as f64 / b as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_lower_middle() {
        assert_eq!(median(&[]), 0);
        assert_eq!(median(&[5]), 5);
        assert_eq!(median(&[9, 1]), 1);
        assert_eq!(median(&[9, 1, 4]), 4);
    }
}
