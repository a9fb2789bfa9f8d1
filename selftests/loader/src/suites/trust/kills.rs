// SPDX-License-Identifier: GPL-2.0

//! Loads that are killed at random moments, while the mode changes all the time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::leaks;
use crate::args::Victim;
use crate::bpf;
use crate::generator::rng::Rng;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::suites::limits;

/// A process that is killed is to be gone within this; what it takes to be started counts too.
const SOON: Duration = Duration::from_millis(100);
/// No process may take longer, although other programs keep the machine busy.
const PROMPT: Duration = Duration::from_secs(10);
/// How long a mode stays.
const FLIP: Duration = Duration::from_millis(7);
/// Bytes that the kernel may use more in the end: caches of its own. Each program is 14 MB or more.
const GROWTH: u64 = 8 << 20;
const VICTIMS: [Victim; 2] = [Victim::Nops, Victim::Divisions];

#[derive(Args)]
pub struct KillArgs {
    /// Number of loads
    #[arg(long, default_value_t = 200)]
    count: u32,
    /// Where the moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Changes the mode until told to stop. Returns how often.
fn flip(stop: &AtomicBool) -> io::Result<u64> {
    let mut switch = Switch::open()?;
    let mut flips = 0;
    for &mode in switch.all_modes().iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        switch.set(mode)?;
        flips += 1;
        thread::sleep(FLIP);
    }
    Ok(flips)
}

/// Runs the command; true if each process was gone soon, and nothing was left.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
pub fn run(args: &KillArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    if !switch.has_patcher() {
        return Err(io::Error::other("this kernel has no patcher"));
    }
    out::json(&json!({ "kernel": switch.kernel() }));
    switch.set(Mode::Patcher)?;
    let whole = VICTIMS.map(|victim| bpf::load(&limits::spec(victim)).map(|(_, took)| took));
    let [nops, divisions] = whole;
    let whole = [nops?, divisions?];
    limits::kill_after(Victim::Nops, whole[0] / 2)?;

    leaks::forget();
    let used = leaks::used()?;
    let before = Stats::read()?;
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    let mut rng = Rng::new(args.seed, 0);
    let mut took = Vec::new();
    let (flips, killed) = thread::scope(|scope| {
        let flipper = scope.spawn(|| flip(&stop));
        let mut kill = || {
            let mut killed = 0;
            for _ in 0..args.count {
                let which = rng.below(VICTIMS.len());
                // Up to the load's end in mode patcher; in the others it takes far longer.
                let delay = whole[which] * rng.below(1_000) as u32 / 1_000;
                let (dead, gone) = limits::kill_after(VICTIMS[which], delay)?;
                killed += u32::from(dead);
                took.push(gone);
            }
            Ok::<_, io::Error>(killed)
        };
        let killed = kill();
        stop.store(true, Ordering::Relaxed);
        let flips = flipper.join().expect("the thread does not panic");
        Ok::<_, io::Error>((flips?, killed?))
    })?;
    let grown = Stats::read()?.since(&before);
    took.sort_unstable();
    let slowest = took.last().copied().unwrap_or_default();
    let late = took.iter().filter(|&&took| took > SOON).count();

    let leaks = leaks::found()?;
    let more = leaks::used()?.saturating_sub(used);
    for text in leaks.iter().flatten() {
        out::progress(&format!("leak: {text}"));
    }
    let good = slowest <= PROMPT
        && killed > 0
        && more <= GROWTH
        && leaks.as_ref().is_none_or(Vec::is_empty)
        && grown.get("verify_differences") == 0;
    out::json(&json!({ "summary": {
        "command": "kills",
        "loads": args.count,
        "killed": killed,
        "flips": flips,
        "sessions": grown.get("sessions"),
        "given_up": grown.get("fail_eintr"),
        "median_ms": took[took.len() / 2].as_millis() as u64,
        "slowest_ms": slowest.as_millis() as u64,
        "late": late,
        "leaks": leaks.map(|leaks| leaks.len()),
        "grown_kib": more >> 10,
        "seconds": start.elapsed().as_secs_f64(),
    }}));
    Ok(good)
}
