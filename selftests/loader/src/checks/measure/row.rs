// SPDX-License-Identifier: GPL-2.0

//! Makes a result row of the samples of a program.

use std::io;

use serde_json::{json, Map, Value};

use super::samples::{Plan, Samples};
use crate::bpf::{self, Detail, Spec};
use crate::compare::difference;
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;

/// What became of a program.
pub struct Row {
    /// The row as it is printed.
    pub json: Map<String, Value>,
    /// Loaded in every mode asked for.
    pub loaded: bool,
    /// Loaded in some mode but not in another, or refused for different reasons.
    pub uneven: bool,
    /// Whether both modes, or on a kernel without patcher two loads, gave the same; None when there
    /// was nothing to compare.
    pub identical: Option<bool>,
    /// The length changed, so something was rewritten.
    pub rewritten: bool,
    /// Edits of one load in the mode that is not stock; None without a patcher.
    pub edits: Option<u64>,
    /// Median load time of each mode in ns, in the order of the plan.
    pub medians: Vec<(Mode, u64)>,
    /// Modes that refused the program, and why.
    refused: Vec<(Mode, io::Error, Option<String>)>,
}

impl Row {
    /// Was the program rewritten, but in patcher mode not by the patcher?
    pub fn missed(&self) -> bool {
        self.rewritten && self.edits == Some(0)
    }

    /// How many times as long as its twin the program takes at least, in the last mode.
    pub fn to_twin(&self) -> f64 {
        let min = |name: &str| {
            self.json
                .get(&format!("{name}_ns_min"))
                .and_then(Value::as_u64)
        };
        let last = self.medians.last().and_then(|(mode, _)| min(mode.name()));
        let both = last.zip(min("twin"));
        both.and_then(|(took, twin)| ratio(took, twin))
            .unwrap_or(f64::INFINITY)
    }

    /// Was the program refused in mode stock alone, as a jump did not fit?
    pub fn too_far(&self) -> bool {
        let too_far = |(mode, err, reason): &(Mode, io::Error, Option<String>)| {
            *mode == Mode::Stock && bpf::is_too_far(err, reason.as_deref().unwrap_or_default())
        };
        !self.refused.is_empty() && self.refused.iter().all(too_far)
    }
}

pub fn summarise(
    spec: &Spec,
    plan: &Plan,
    samples: Vec<(Mode, Samples)>,
    errors: Vec<(Mode, io::Error)>,
) -> Row {
    let loaded = errors.is_empty();
    let same_error = errors
        .windows(2)
        .all(|pair| pair[0].1.raw_os_error() == pair[1].1.raw_os_error());
    let uneven = !loaded && (errors.len() < samples.len() || !same_error);
    let mut row = Map::new();
    row.insert("name".into(), json!(spec.name));
    row.insert("insns_before".into(), json!(spec.insns.len()));
    row.insert(
        "modes".into(),
        plan.modes.iter().map(|mode| mode.name()).collect(),
    );
    row.insert("loaded".into(), json!(loaded));

    let refused = errors
        .into_iter()
        .map(|(mode, err)| (mode, err, bpf::refusal(spec)));
    let refused: Vec<_> = refused.collect();
    for (mode, err, reason) in &refused {
        let error = json!({
            "mode": mode.name(),
            "errno": err.raw_os_error(),
            "text": err.to_string(),
            "reason": reason,
        });
        row.entry("errors")
            .or_insert_with(|| json!([]))
            .as_array_mut()
            .unwrap()
            .push(error);
    }

    let mut medians = Vec::new();
    for (mode, samples) in &samples {
        if !samples.ns.is_empty() {
            put_times(&mut row, mode.name(), &samples.ns);
            medians.push((*mode, median(&samples.ns)));
        }
    }
    let edits = put_stats(&mut row, &samples);

    let found = if loaded {
        compare(spec, plan, &samples)
    } else {
        None
    };
    let rewritten = samples
        .iter()
        .filter_map(|(_, s)| s.report.as_ref())
        .any(|report| report.insns != spec.insns.len());
    if let Some(report) = samples.iter().find_map(|(_, s)| s.report.as_ref()) {
        row.insert("insns_after".into(), json!(report.insns));
        row.insert("verified_insns".into(), json!(report.verified_insns));
        row.insert("line_info_records".into(), json!(report.line_info.count()));
        row.insert("func_info_records".into(), json!(report.func_info.count()));
    }
    let identical = found.as_ref().map(Option::is_none);
    row.insert("identical".into(), json!(identical));
    row.insert("difference".into(), json!(found.flatten()));
    if let [(Mode::Stock, stock), (Mode::Patcher, patcher)] = medians[..] {
        row.insert("ratio".into(), json!(ratio(stock, patcher)));
    }
    Row {
        json: row,
        loaded,
        uneven,
        identical,
        rewritten,
        edits,
        medians,
        refused,
    }
}

/// Whether the loads gave the same: None when there is nothing to compare, else the difference.
fn compare(spec: &Spec, plan: &Plan, samples: &[(Mode, Samples)]) -> Option<Option<String>> {
    let reported = |(_, s): &(Mode, Samples)| s.report.as_ref().is_some_and(|r| r.xlated.is_some());
    if plan.detail == Detail::Length || !samples.iter().all(reported) {
        return None;
    }
    let unstable = samples.iter().find_map(|(mode, s)| {
        s.unstable
            .as_ref()
            .map(|said| format!("two loads in mode {mode}: {said}"))
    });
    let between = || match samples {
        [(_, a), (_, b)] => difference(&spec.insns, a.report.as_ref()?, b.report.as_ref()?),
        _ => None,
    };
    Some(unstable.or_else(between))
}

/// Adds the samples of a load time, their minimum and median.
pub fn put_times(row: &mut Map<String, Value>, name: &str, ns: &[u64]) {
    row.insert(format!("{name}_ns"), json!(ns));
    row.insert(format!("{name}_ns_min"), json!(ns.iter().min()));
    row.insert(format!("{name}_ns_median"), json!(median(ns)));
}

/// Adds what the patcher counted in the mode that is not stock: times as samples, the rest of the first load.
fn put_stats(row: &mut Map<String, Value>, samples: &[(Mode, Samples)]) -> Option<u64> {
    let (_, samples) = samples.iter().find(|(mode, _)| *mode != Mode::Stock)?;
    let first = samples.stats.first()?;
    for name in ["edits", "sessions", "bytes_moved"] {
        row.insert(name.into(), json!(first.get(name)));
    }
    let times = |of: fn(&Stats) -> u64| samples.stats.iter().map(of).collect::<Vec<_>>();
    put_times(row, "rewrite", &times(Stats::rewrite_ns));
    put_times(row, "record", &times(|stats| stats.get("record_ns")));
    put_times(row, "linearize", &times(|stats| stats.get("linearize_ns")));
    Some(first.get("edits"))
}

/// Middle value, the lower one of two; 0 of nothing.
pub fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0)
}

/// Quotient of two times; None for a division by zero.
pub fn ratio(a: u64, b: u64) -> Option<f64> {
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
