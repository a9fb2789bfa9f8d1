// SPDX-License-Identifier: GPL-2.0

//! Loads one program again and again, modes taking turns, and makes a result row of it.

use std::io;
use std::os::fd::AsFd;

use serde_json::{json, Map, Value};

use crate::args::Plant;
use crate::bpf::{self, Detail, Report, Spec};
use crate::compare::difference;
use crate::mode::{Mode, Stats, Switch};
use crate::out;

/// A load that takes longer than this, in ns, is reported as it happens.
const SLOW_NS: u64 = 2_000_000_000;

/// One load that the kernel accepted.
struct Loaded {
    /// Time in the system call, in ns.
    ns: u64,
    /// Growth of the patcher's counters; empty without a patcher.
    stats: Stats,
    report: Report,
}

/// Every sample of one mode.
#[derive(Default)]
struct Samples {
    ns: Vec<u64>,
    stats: Vec<Stats>,
    /// Of the first load.
    report: Option<Report>,
    /// First difference of a later load of this mode from the first one.
    unstable: Option<String>,
}

/// How a program is to be loaded.
pub struct Plan<'a> {
    pub modes: &'a [Mode],
    /// Loads in each mode.
    pub rounds: usize,
    pub detail: Detail,
    /// Program without need of rewriting, loaded in stock mode in each round as a yardstick.
    pub twin: Option<&'a Spec>,
    /// Difference to plant in the second result, for testing the test.
    pub plant: Option<Plant>,
}

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
}

impl Row {
    /// Was the program rewritten, but in patcher mode not by the patcher?
    pub fn missed(&self) -> bool {
        self.rewritten && self.edits == Some(0)
    }
}

/// Loads a program as planned.
///
/// # Errors
///
/// The mode cannot be switched or the counters not be read. A program that is refused is no
/// error, it is what the row says.
pub fn run(switch: &mut Switch, spec: &Spec, plan: &Plan) -> io::Result<Row> {
    let mut samples: Vec<(Mode, Samples)> = plan
        .modes
        .iter()
        .map(|&mode| (mode, Samples::default()))
        .collect();
    let mut errors: Vec<(Mode, io::Error)> = Vec::new();
    // One mode to compare with itself takes two loads.
    let compares_itself = plan.modes.len() == 1 && plan.detail == Detail::Full;
    let rounds = if compares_itself {
        plan.rounds.max(2)
    } else {
        plan.rounds
    };
    let mut plant = plan.plant;
    let mut twin_ns = Vec::new();

    for round in 0..rounds {
        // Whoever comes after a long load of stock pays for its freed pages: every second round goes
        // the other way.
        let reverse = round % 2 == 1;
        if let (Some(twin), true) = (plan.twin, reverse) {
            twin_ns.push(load_twin(switch, twin)?);
        }
        let mut order: Vec<_> = samples.iter_mut().enumerate().collect();
        if reverse {
            order.reverse();
        }
        for (at, (mode, samples)) in order {
            if errors.iter().any(|(failed, _)| failed == mode) {
                continue;
            }
            match load(switch, spec, *mode, plan.detail)? {
                Ok(mut loaded) => {
                    let second = (round, at) == if compares_itself { (1, 0) } else { (0, 1) };
                    if second {
                        if let Some(plant) = plant.take() {
                            spoil(&mut loaded, plant);
                        }
                    }
                    if loaded.ns > SLOW_NS {
                        let seconds = loaded.ns as f64 / 1e9;
                        out::progress(&format!("{}: {mode} took {seconds:.1} s", spec.name));
                    }
                    samples.add(spec, loaded, plan.detail);
                }
                Err(err) => errors.push((*mode, err)),
            }
        }
        if let (Some(twin), false) = (plan.twin, reverse) {
            twin_ns.push(load_twin(switch, twin)?);
        }
    }
    let mut row = summarise(spec, plan, samples, errors);
    if plan.twin.is_some() {
        put_times(&mut row.json, "twin", &twin_ns);
        for &(mode, ns) in &row.medians {
            row.json.insert(
                format!("{mode}_to_twin"),
                json!(ratio(ns, median(&twin_ns))),
            );
        }
    }
    Ok(row)
}

/// Loads a program once. The outer error is ours, the inner one the kernel's opinion.
fn load(
    switch: &mut Switch,
    spec: &Spec,
    mode: Mode,
    detail: Detail,
) -> io::Result<io::Result<Loaded>> {
    switch.set(mode)?;
    let before = Stats::read_if(switch)?;
    let (prog, took) = match bpf::load(spec) {
        Ok(loaded) => loaded,
        Err(err) => return Ok(Err(err)),
    };
    let stats = Stats::read_if(switch)?.since(&before);
    let report = bpf::report(prog.as_fd(), detail)?;
    Ok(Ok(Loaded {
        ns: took.as_nanos() as u64,
        stats,
        report,
    }))
}

/// Loads a twin in stock mode; returns the time in ns.
fn load_twin(switch: &mut Switch, twin: &Spec) -> io::Result<u64> {
    let loaded = load(switch, twin, Mode::Stock, Detail::Length)??;
    if loaded.report.insns != twin.insns.len() {
        return Err(io::Error::other(format!(
            "{}: was rewritten, is no yardstick",
            twin.name
        )));
    }
    Ok(loaded.ns)
}

impl Samples {
    fn add(&mut self, spec: &Spec, loaded: Loaded, detail: Detail) {
        self.ns.push(loaded.ns);
        self.stats.push(loaded.stats);
        match &self.report {
            None => self.report = Some(loaded.report),
            Some(first) if detail == Detail::Full && self.unstable.is_none() => {
                self.unstable = difference(&spec.insns, first, &loaded.report);
            }
            Some(_) => {}
        }
    }
}

fn spoil(loaded: &mut Loaded, plant: Plant) {
    let flip_last = |bytes: &mut Vec<u8>| {
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
    };
    match plant {
        Plant::Xlated => loaded.report.xlated.iter_mut().for_each(flip_last),
        Plant::LineInfo => flip_last(&mut loaded.report.line_info.bytes),
        Plant::FuncInfo => flip_last(&mut loaded.report.func_info.bytes),
        Plant::Edits => loaded.stats = Stats::default(),
    }
}

fn summarise(
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

    for (mode, err) in &errors {
        let error = json!({
            "mode": mode.name(),
            "errno": err.raw_os_error(),
            "text": err.to_string(),
            "reason": bpf::refusal(spec),
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
    // Of both modes, or of two loads on a kernel that has one.
    let (compared, other) = match plan.modes.len() {
        1 => ("self_check", "identical"),
        _ => ("identical", "self_check"),
    };
    row.insert(compared.into(), json!(identical));
    row.insert(other.into(), Value::Null);
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
    }
}

/// Whether the loads gave the same: None when there is nothing to compare, else the difference.
fn compare(spec: &Spec, plan: &Plan, samples: &[(Mode, Samples)]) -> Option<Option<String>> {
    if plan.detail != Detail::Full {
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
fn put_times(row: &mut Map<String, Value>, name: &str, ns: &[u64]) {
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
fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0)
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
