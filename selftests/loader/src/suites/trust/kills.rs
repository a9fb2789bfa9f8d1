// SPDX-License-Identifier: GPL-2.0

//! Loads that are killed at random moments, while the mode changes all the time or stays.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{json, Map, Value};

use super::{leaks, micros};
use crate::args::{ModeName, Victim};
use crate::bpf;
use crate::generator::rng::Rng;
use crate::kernel::jit;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::suites::limits::{self, Phase};

/// A process that is killed is to be gone within this.
const SOON: Duration = Duration::from_millis(100);
/// Of all loads, one of so many at least has to be killed in a session.
const IN_SESSION: u32 = 20;
/// How long a mode stays.
const FLIP: Duration = Duration::from_millis(7);
/// Bytes that the kernel may use more in the end: caches of its own. Most programs are 14 MB or more.
const GROWTH: u64 = 8 << 20;
/// Progress is shown after so many loads.
const SHOWN: u32 = 10;
/// The last one needs a JIT.
const VICTIMS: [Victim; 5] = [
    Victim::Nops,
    Victim::Divisions,
    Victim::Loads,
    Victim::Far,
    Victim::Policy,
];

#[derive(Args)]
pub struct KillArgs {
    /// Number of loads
    #[arg(long, default_value_t = 200)]
    count: u32,
    /// Where the moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The mode to load in [default: all in turn]
    #[arg(long)]
    mode: Option<ModeName>,
    /// Milliseconds that no process may take longer than, although other programs keep the machine busy
    #[arg(long, default_value_t = 10_000)]
    within_ms: u64,
    /// The same for one that is killed in a session
    #[arg(long, default_value_t = 10_000)]
    in_session_within_ms: u64,
    #[command(flatten)]
    leaks: leaks::LeakArgs,
}

/// The load of a victim in mode patcher.
struct Whole {
    victim: Victim,
    /// What it takes.
    load: Duration,
    /// What of that the rewriting takes.
    rewriting: Duration,
    /// A moment after which the rewriting ends, and one at which it has ended, as far as is known.
    before_end: Duration,
    end: Duration,
    /// What it adds to the counters.
    stats: Stats,
    /// How many were killed in a session.
    in_session: u32,
}

impl Whole {
    fn of(victim: Victim) -> io::Result<Self> {
        let _hardened = limits::hardened(victim)?;
        let before = Stats::read()?;
        let (_, load) = bpf::load(&limits::spec(victim)?)?;
        let stats = Stats::read()?.since(&before);
        Ok(Self {
            victim,
            load,
            rewriting: Duration::from_nanos(stats.rewrite_ns()),
            before_end: load,
            end: load,
            stats,
            in_session: 0,
        })
    }

    /// A moment at which to kill: in the rewriting or near it, or any. In other modes than patcher it takes longer.
    fn moment(&self, aimed: bool, rng: &mut Rng) -> Duration {
        let (end, range) = match aimed {
            false => (self.load, self.load),
            true => {
                let unknown = self.end.saturating_sub(self.before_end);
                (self.end, unknown.max(self.rewriting * 2))
            }
        };
        end.saturating_sub(range * rng.below(1_000) as u32 / 1_000)
    }

    /// Forgets that the rewriting comes last: with a JIT it does not.
    fn look_for_end(&mut self) {
        self.before_end = Duration::ZERO;
    }

    /// Learns that a load which was killed at `moment` had come to that phase.
    fn adjust(&mut self, moment: Duration, phase: Phase) {
        match phase {
            Phase::After => self.end = self.end.min(moment),
            _ => self.before_end = self.before_end.max(moment),
        }
    }
}

/// What so many in a hundred of `took`, which ascends, do not exceed.
fn percent(took: &[Duration], percent: usize) -> Duration {
    let at = took.len().saturating_sub(1) * percent / 100;
    took.get(at).copied().unwrap_or_default()
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

/// Runs the command; true if each process was gone in time, enough were killed in a session, if the mode stays one
/// of each victim, and nothing was left.
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
    let jit = jit::on()?;
    let victims = match jit {
        Some(_) => &VICTIMS[..],
        None => &VICTIMS[..VICTIMS.len() - 1],
    };
    let mut wholes = victims
        .iter()
        .map(|&victim| Whole::of(victim))
        .collect::<io::Result<Vec<_>>>()?;
    limits::kill_after(Victim::Nops, wholes[0].load / 2)?;
    let steady = args.mode.is_some();
    if steady {
        wholes.iter_mut().for_each(Whole::look_for_end);
    }

    leaks::forget();
    let used = leaks::used()?;
    let before = Stats::read()?;
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    let mut rng = Rng::new(args.seed, 0);
    let mut took = Vec::new();
    // Of those in a session.
    let mut took_there = Vec::new();
    if let Some(mode) = args.mode {
        switch.set(mode.into())?;
    }
    let (flips, killed) = thread::scope(|scope| {
        let flipper = args.mode.is_none().then(|| scope.spawn(|| flip(&stop)));
        let mut kill = || {
            let mut killed = 0_usize;
            for number in 1..=args.count {
                // Every other load is of what was killed in a session least often.
                let aimed = number % 2 == 0;
                let which = match wholes.iter().enumerate().min_by_key(|(_, w)| w.in_session) {
                    Some((least, _)) if aimed => least,
                    _ => rng.below(victims.len()),
                };
                let whole = &mut wholes[which];
                let moment = whole.moment(aimed, &mut rng);
                let before = Stats::read()?;
                let (dead, gone) = limits::kill_after(whole.victim, moment)?;
                let phase = Phase::of(&Stats::read()?.since(&before), &whole.stats);
                whole.in_session += u32::from(phase.is_in_session());
                // In other modes it takes longer.
                if steady {
                    whole.adjust(moment, phase);
                }
                if dead {
                    killed += 1;
                    took.push(gone);
                    took_there.extend(phase.is_in_session().then_some(gone));
                }
                if number % SHOWN == 0 {
                    let seconds = start.elapsed().as_secs_f64();
                    out::progress(&format!("{number} loads, {killed} killed, {seconds:.0} s"));
                }
            }
            Ok::<_, io::Error>(killed)
        };
        let killed = kill();
        stop.store(true, Ordering::Relaxed);
        let flips = flipper.map_or(Ok(0), |flipper| {
            flipper.join().expect("the thread does not panic")
        });
        Ok::<_, io::Error>((flips?, killed?))
    })?;
    let grown = Stats::read()?.since(&before);
    took.sort_unstable();
    took_there.sort_unstable();
    let (slowest, slowest_there) = (percent(&took, 100), percent(&took_there, 100));
    let late = took.iter().filter(|&&took| took > SOON).count();

    let in_session: u32 = wholes.iter().map(|whole| whole.in_session).sum();
    let by_victim: Map<String, Value> = wholes
        .iter()
        .map(|whole| (whole.victim.name(), json!(whole.in_session)))
        .collect();
    let look = args.leaks.look()?;
    let more = leaks::used()?.saturating_sub(used);
    let good = slowest <= Duration::from_millis(args.within_ms)
        && slowest_there <= Duration::from_millis(args.in_session_within_ms)
        && in_session * IN_SESSION >= args.count
        && (!steady || wholes.iter().all(|whole| whole.in_session > 0))
        && more <= GROWTH
        && look.good
        && grown.get("verify_differences") == 0;
    out::json(&json!({ "summary": {
        "command": "kills",
        "loads": args.count,
        "killed": killed,
        "flips": flips,
        "sessions": grown.get("sessions"),
        "in_session": in_session,
        "by_victim": by_victim,
        "median_us": micros(percent(&took, 50)),
        "percent_90_us": micros(percent(&took, 90)),
        "percent_99_us": micros(percent(&took, 99)),
        "slowest_us": micros(slowest),
        "median_in_session_us": micros(percent(&took_there, 50)),
        "slowest_in_session_us": micros(slowest_there),
        "late": late,
        "leaks": look.leaks,
        "grown_kib": more >> 10,
        "seconds": start.elapsed().as_secs_f64(),
    }}));
    Ok(good)
}
