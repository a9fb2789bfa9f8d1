// SPDX-License-Identifier: GPL-2.0

//! Loads that are killed at random moments, while the mode changes all the time or stays. In mode stock the load
//! takes hours, nearly all of them in the pass that removes nops. In the others it is short.

mod timer;
mod victim;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{json, Map, Value};

use super::leaks;
use super::runner::{micros, ModeName, Runner, Verdict};
use crate::bpf;
use crate::kernel::jit;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::programs::generator::rng::Rng;
use crate::programs::victims::Victim;
use timer::Timer;
use victim::{kill_after, Phase};
pub use victim::{run as victim, VictimArgs};

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
/// In mode stock loads are killed up to this time after they began.
const STOCK: Duration = Duration::from_secs(2);

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
    /// Kill loads of one program until one was killed while edits were recorded and one in linearize, --count at most
    #[arg(long, requires = "mode")]
    phases: bool,
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
        let _hardened = victim.hardened()?;
        let before = Stats::read()?;
        let (_, load) = bpf::load(&victim.spec()?)?;
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

/// The given percentile of `took`, which ascends.
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

/// What came of the loads.
#[derive(Default)]
struct Tally {
    loads: u32,
    killed: u32,
    /// Sessions that were given up while edits were recorded, and in linearize.
    recording: u32,
    linearizing: u32,
    /// How long it took processes to be gone: all of them, and those killed in a session.
    took: Vec<Duration>,
    took_there: Vec<Duration>,
}

impl Tally {
    /// Kills a load of a victim at that moment. Returns the phase that it had come to.
    fn kill(&mut self, whole: &mut Whole, moment: Duration, start: Instant) -> io::Result<Phase> {
        let before = Stats::read()?;
        let (dead, gone) = kill_after(whole.victim, moment)?;
        let phase = Phase::of(&Stats::read()?.since(&before), &whole.stats);
        self.loads += 1;
        whole.in_session += u32::from(phase.is_in_session());
        self.recording += u32::from(phase == Phase::Recording);
        self.linearizing += u32::from(phase == Phase::Linearizing);
        if dead {
            self.killed += 1;
            self.took.push(gone);
            self.took_there
                .extend(phase.is_in_session().then_some(gone));
        }
        if self.loads.is_multiple_of(SHOWN) {
            let seconds = start.elapsed().as_secs_f64();
            let (loads, killed) = (self.loads, self.killed);
            out::progress(&format!("{loads} loads, {killed} killed, {seconds:.0} s"));
        }
        Ok(phase)
    }

    /// Kills loads at random moments. Every other one is of what was killed in a session least often.
    fn at_random(
        &mut self,
        args: &KillArgs,
        wholes: &mut [Whole],
        start: Instant,
    ) -> io::Result<()> {
        let mut rng = Rng::new(args.seed, 0);
        for number in 1..=args.count {
            let aimed = number % 2 == 0;
            let which = match wholes.iter().enumerate().min_by_key(|(_, w)| w.in_session) {
                Some((least, _)) if aimed => least,
                _ => rng.below(wholes.len()),
            };
            let whole = &mut wholes[which];
            let moment = whole.moment(aimed, &mut rng);
            let phase = self.kill(whole, moment, start)?;
            // In other modes it takes longer.
            if args.mode.is_some() {
                whole.adjust(moment, phase);
            }
        }
        Ok(())
    }

    /// Kills loads until some were interrupted in each phase.
    fn in_phases(&mut self, args: &KillArgs, whole: &mut Whole, start: Instant) -> io::Result<()> {
        let mut timer = Timer::new(whole.load);
        while self.loads < args.count && (self.recording == 0 || self.linearizing == 0) {
            let phase = self.kill(whole, timer.delay, start)?;
            timer.adjust(phase);
        }
        Ok(())
    }

    /// Kills loads that would take hours.
    fn in_stock(&mut self, args: &KillArgs, whole: &mut Whole, start: Instant) -> io::Result<()> {
        (0..args.count).try_for_each(|i| self.kill(whole, STOCK * i / args.count, start).map(drop))
    }

    /// Were loads killed where they have to be?
    fn is_enough(&self, args: &KillArgs, wholes: &[Whole]) -> bool {
        let in_session: u32 = wholes.iter().map(|whole| whole.in_session).sum();
        if args.mode == Some(ModeName::Stock) {
            self.killed == args.count
        } else if args.phases {
            self.recording > 0 && self.linearizing > 0
        } else {
            let of_each = wholes.iter().all(|whole| whole.in_session > 0);
            in_session * IN_SESSION >= args.count && (args.mode.is_none() || of_each)
        }
    }
}

/// Runs the command; true if each process was gone in time, enough were killed in a session, if the mode stays one
/// of each victim, and nothing was left.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
pub fn run(args: &KillArgs) -> io::Result<Verdict> {
    let mut runner = Runner::of_patcher()?;
    runner.switch.set(Mode::Patcher)?;
    let jit = jit::on()?;
    let victims = match (args.mode, args.phases) {
        (Some(ModeName::Stock), _) => &[Victim::Nops][..],
        (_, true) => &[Victim::Divisions],
        _ if jit.is_some() => &Victim::ALL,
        _ => &Victim::ALL[..Victim::ALL.len() - 1],
    };
    let mut wholes = victims
        .iter()
        .map(|&victim| Whole::of(victim))
        .collect::<io::Result<Vec<_>>>()?;
    kill_after(Victim::Nops, wholes[0].load / 2)?;
    if args.mode.is_some() {
        wholes.iter_mut().for_each(Whole::look_for_end);
    }

    leaks::forget();
    let used = leaks::used()?;
    runner.restart()?;
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    let mut tally = Tally::default();
    if let Some(mode) = args.mode {
        runner.switch.set(mode.into())?;
    }
    let flips = thread::scope(|scope| {
        let flipper = args.mode.is_none().then(|| scope.spawn(|| flip(&stop)));
        let done = match (args.mode, args.phases) {
            (Some(ModeName::Stock), _) => tally.in_stock(args, &mut wholes[0], start),
            (_, true) => tally.in_phases(args, &mut wholes[0], start),
            _ => tally.at_random(args, &mut wholes, start),
        };
        stop.store(true, Ordering::Relaxed);
        let flips = flipper.map_or(Ok(0), |flipper| {
            flipper.join().expect("the thread does not panic")
        });
        done.and(flips)
    })?;
    let grown = runner.grown()?;
    tally.took.sort_unstable();
    tally.took_there.sort_unstable();
    let (took, took_there) = (&tally.took, &tally.took_there);
    let (slowest, slowest_there) = (percent(took, 100), percent(took_there, 100));
    let in_session: u32 = wholes.iter().map(|whole| whole.in_session).sum();
    let by_victim: Map<String, Value> = wholes
        .iter()
        .map(|whole| (whole.victim.name(), json!(whole.in_session)))
        .collect();
    let look = args.leaks.look()?;
    let more = leaks::used()?.saturating_sub(used);
    let good = slowest <= Duration::from_millis(args.within_ms)
        && slowest_there <= Duration::from_millis(args.in_session_within_ms)
        && tally.is_enough(args, &wholes)
        && more <= GROWTH
        && look.good
        && grown.get("verify_differences") == 0;
    out::json(&json!({ "summary": {
        "command": "kills",
        "loads": tally.loads,
        "killed": tally.killed,
        "flips": flips,
        "sessions": grown.get("sessions"),
        "in_session": in_session,
        "recording": tally.recording,
        "linearizing": tally.linearizing,
        "by_victim": by_victim,
        "median_us": micros(percent(took, 50)),
        "percent_90_us": micros(percent(took, 90)),
        "percent_99_us": micros(percent(took, 99)),
        "slowest_us": micros(slowest),
        "median_in_session_us": micros(percent(took_there, 50)),
        "slowest_in_session_us": micros(slowest_there),
        "late": took.iter().filter(|&&took| took > SOON).count(),
        "leaks": look.leaks,
        "grown_kib": more >> 10,
        "seconds": runner.seconds(),
    }}));
    let said = format!(
        "{} of {} loads killed, half gone within {} us, all within {}; {} while edits were recorded and {} in \
         linearize, half gone within {}, all within {}; {} KiB more in use",
        tally.killed,
        tally.loads,
        micros(percent(took, 50)),
        micros(slowest),
        tally.recording,
        tally.linearizing,
        micros(percent(took_there, 50)),
        micros(slowest_there),
        more >> 10
    );
    Ok(Verdict::new(good, said))
}
