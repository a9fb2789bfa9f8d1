// SPDX-License-Identifier: GPL-2.0

//! Loads one program again and again, modes taking turns.

use std::io;

use super::row::{median, put_times, ratio, summarise, Row};
use crate::bpf::{Detail, Report, Spec};
use crate::checks::runner::Runner;
use crate::compare::difference;
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;
use crate::out;
use serde_json::json;

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
pub struct Samples {
    pub ns: Vec<u64>,
    pub stats: Vec<Stats>,
    /// Of the first load.
    pub report: Option<Report>,
    /// First difference of a later load of this mode from the first one.
    pub unstable: Option<String>,
}

/// How a program is to be loaded.
pub struct Plan<'a> {
    pub modes: &'a [Mode],
    /// Loads in each mode.
    pub rounds: usize,
    pub detail: Detail,
    /// Program without need of rewriting, loaded in stock mode in each round as a yardstick.
    pub twin: Option<&'a Spec>,
}

/// Loads a program as planned.
///
/// # Errors
///
/// The mode cannot be switched or the counters not be read. A program that is refused is no
/// error, it is what the row says.
pub fn run(runner: &mut Runner, spec: &Spec, plan: &Plan) -> io::Result<Row> {
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
    let mut twin_ns = Vec::new();

    for round in 0..rounds {
        // Whoever comes after a long load of stock pays for its freed pages: every second round goes
        // the other way.
        let reverse = round % 2 == 1;
        if let (Some(twin), true) = (plan.twin, reverse) {
            twin_ns.push(load_twin(runner, twin)?);
        }
        let mut order: Vec<_> = samples.iter_mut().collect();
        if reverse {
            order.reverse();
        }
        for (mode, samples) in order {
            if errors.iter().any(|(failed, _)| failed == mode) {
                continue;
            }
            match load(runner, spec, *mode, plan.detail)? {
                Ok(loaded) => {
                    if loaded.ns > SLOW_NS {
                        let seconds = loaded.ns as f64 / 1e9;
                        out::progress(&format!("{}: {mode} took {seconds:.1} s", spec.name));
                    }
                    samples.add(spec, loaded);
                }
                Err(err) => errors.push((*mode, err)),
            }
        }
        if let (Some(twin), false) = (plan.twin, reverse) {
            twin_ns.push(load_twin(runner, twin)?);
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
    runner: &mut Runner,
    spec: &Spec,
    mode: Mode,
    detail: Detail,
) -> io::Result<io::Result<Loaded>> {
    let made = runner.load(mode, spec, detail)?;
    Ok(made.result.map(|report| Loaded {
        ns: made.took.as_nanos() as u64,
        stats: made.stats,
        report,
    }))
}

/// Loads a twin in stock mode; returns the time in ns.
fn load_twin(runner: &mut Runner, twin: &Spec) -> io::Result<u64> {
    let loaded = load(runner, twin, Mode::Stock, Detail::Length)??;
    if loaded.report.insns != twin.insns.len() {
        return Err(io::Error::other(format!(
            "{}: was rewritten, is no yardstick",
            twin.name
        )));
    }
    Ok(loaded.ns)
}

impl Samples {
    fn add(&mut self, spec: &Spec, loaded: Loaded) {
        self.ns.push(loaded.ns);
        self.stats.push(loaded.stats);
        match &self.report {
            None => self.report = Some(loaded.report),
            Some(first) if first.xlated.is_some() && self.unstable.is_none() => {
                self.unstable = difference(&spec.insns, first, &loaded.report);
            }
            Some(_) => {}
        }
    }
}
