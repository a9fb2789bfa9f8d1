// SPDX-License-Identifier: GPL-2.0

//! Loads one program again and again, modes taking turns, and makes a result row of it.

mod row;

use std::io;
use std::os::fd::AsFd;

use serde_json::json;

use crate::args::Plant;
use crate::bpf::{self, Detail, Report, Spec};
use crate::compare::{difference, drawn};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use row::{median, put_times, ratio, summarise};

pub use row::Row;

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
                    samples.add(spec, loaded);
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
    let mut report = bpf::report(prog.as_fd(), detail)?;
    drawn::clear(spec, &mut report);
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
