// SPDX-License-Identifier: GPL-2.0

//! The same programs over and over in each mode, for as long as one likes: memory stays flat, and the
//! counters grow by the same from round to round. Or while something else goes on; or in memory cgroups.

mod groups;
mod until;

use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::leaks;
use super::runner::{Runner, Verdict};
use crate::bpf::{self, Spec};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::programs::mixed::{Kept, Mixed};
use crate::programs::Source;

/// Bytes by which what the kernel uses may vary after the first rounds: caches of its own.
const GROWTH: u64 = 4 << 20;
/// Rounds in which these are filled.
const WARM: u64 = 2;
/// Time between two looks at the memory, and what is freed late is given before.
const EVERY: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(1);
/// Counters that are the same for the same programs in the same mode.
const STEADY: [&str; 9] = [
    "sessions",
    "edits",
    "insns_in",
    "insns_out",
    "record_calls",
    "far_jumps",
    "verify_sessions",
    "fail_erange",
    "fail_einval",
];
/// Those that stay as they are.
const ZERO: [&str; 5] = [
    "verify_differences",
    "verify_skipped",
    "fail_enomem",
    "fail_eintr",
    "fail_e2big",
];

#[derive(Args)]
pub struct SoakArgs {
    /// How long
    #[arg(long, default_value_t = 3_600)]
    seconds: u64,
    /// Number of programs
    #[arg(long, default_value_t = 400)]
    count: usize,
    /// Where the random ones come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    progs: PathBuf,
    /// Load programs until this file appears, or stdin ends if it is `-`, whatever the mode is; fails if a load does, or
    /// gives something else than the first
    #[arg(long)]
    until: Option<PathBuf>,
    /// With --until: the programs
    #[arg(long, value_delimiter = ',', default_value = "handmade,context")]
    only: Vec<String>,
    /// With --until: the directory of the cgroup to live in
    #[arg(long)]
    group: Option<PathBuf>,
    /// Load a long program in memory cgroups, some of which it does not fit, while a bystander goes on
    #[arg(long)]
    groups: bool,
    /// With --groups: kill the bystander on purpose, so that the command must fail
    #[arg(long)]
    plant: bool,
}

/// Loads all programs in a mode. Returns by how much the steady counters have grown.
///
/// # Errors
///
/// A program that loaded before and does not now, a counter that had to stay.
fn round(switch: &mut Switch, mode: Mode, specs: &[Spec]) -> io::Result<Vec<u64>> {
    switch.set(mode)?;
    let before = Stats::read()?;
    for spec in specs {
        bpf::load(spec).map_err(|err| io::Error::other(format!("{}: {err}", spec.name)))?;
    }
    let grown = Stats::read()?.since(&before);
    match ZERO.iter().find(|name| grown.get(name) > 0) {
        Some(name) => Err(io::Error::other(format!("{name} has grown in mode {mode}"))),
        None => Ok(STEADY.map(|name| grown.get(name)).to_vec()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// The kernel lacks what it needs, or what it says.
pub fn run(args: &SoakArgs) -> io::Result<Verdict> {
    match &args.until {
        Some(until) => until::run(args, until),
        None if args.groups => groups::run(args.plant),
        None => flat(args),
    }
}

/// True if nothing has grown but the counters, and these as they should.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
fn flat(args: &SoakArgs) -> io::Result<Verdict> {
    let mut runner = Runner::of_patcher()?;
    let switch = &mut runner.switch;
    let mut programs = Mixed::new(&args.progs, args.seed)?;
    switch.set(Mode::Stock)?;
    let (mut specs, mut kept) = (Vec::new(), Kept::default());
    for number in 0..args.count {
        let given = programs.program(number);
        if given.origin.loads_in(Mode::Stock) && kept.load(&given)?.is_some() {
            specs.push(given.spec);
        }
    }
    let start = Instant::now();
    let length = Duration::from_secs(args.seconds);
    let (mut rounds, mut loads, mut next) = (0, 0, EVERY);
    // Bytes in use.
    let mut samples = Vec::new();
    let mut first = Vec::new();
    let mut problems = Vec::new();
    while problems.is_empty() && (rounds <= WARM || start.elapsed() < length) {
        let mut grown = Vec::new();
        for &mode in switch.all_modes() {
            grown.push(round(switch, mode, &specs)?);
            loads += specs.len();
        }
        rounds += 1;
        if rounds == 1 {
            first = grown;
        } else if grown != first {
            problems.push(format!(
                "round {rounds}: {STEADY:?} {grown:?}, not {first:?}"
            ));
        }
        if rounds == WARM {
            leaks::forget();
            samples.push(leaks::used()?);
        }
        if rounds >= WARM && start.elapsed() >= next {
            next = start.elapsed() + EVERY;
            sleep(SETTLE);
            let used = leaks::used()?;
            samples.push(used);
            let kib = used >> 10;
            out::progress(&format!("{rounds} rounds, {loads} loads, {kib} KiB in use"));
        }
    }
    let look = leaks::look()?;
    for text in &problems {
        out::progress(text);
    }
    // Of one round, in mode patcher: otherwise the programs show nothing.
    let sessions = first.get(1).map_or(0, |grown| grown[0]);
    let (least, most) = (samples.iter().min(), samples.iter().max());
    let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
    let flat = samples.len() > 1 && most - least <= GROWTH;
    let good = problems.is_empty() && look.good && sessions > 0 && flat && kept.is_enough();
    out::json(&json!({ "kept": kept.json() }));
    out::json(&json!({ "summary": {
        "command": "soak",
        "programs": specs.len(),
        "rounds": rounds,
        "loads": loads,
        "sessions_a_round": sessions,
        "samples": samples.len(),
        "least_kib": least >> 10,
        "most_kib": most >> 10,
        "problems": problems.len(),
        "leaks": look.leaks,
        "seconds": start.elapsed().as_secs_f64(),
    }}));
    let said = format!(
        "{loads} loads in {rounds} rounds: {} to {} KiB in use, {} problems",
        least >> 10,
        most >> 10,
        problems.len()
    );
    Ok(Verdict::new(good, said))
}
