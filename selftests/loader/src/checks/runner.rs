// SPDX-License-Identifier: GPL-2.0

//! What all checks have in common: the mode is set, a program is loaded, what the kernel reports is compared, and
//! progress is shown.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde_json::{json, Value};

use crate::bpf::{self, Detail, Report, Spec};
use crate::compare::{difference, drawn};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;

/// What a check has come to: its sentence stands in the last line of output.
pub struct Verdict {
    pub good: bool,
    pub said: String,
}

impl Verdict {
    pub fn new(good: bool, said: impl Into<String>) -> Self {
        let said = said.into();
        Self { good, said }
    }
}

/// Which programs of a seed are drawn.
#[derive(Args)]
pub struct Draw {
    /// Number of random programs
    #[arg(long, default_value_t = 1_000)]
    pub count: u64,
    /// End after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Where random programs come from: the same seed gives the same programs [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of the first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Programs between two lines of progress
    #[arg(long, default_value_t = 1_000)]
    every: u64,
    /// Load this program of the seed alone, and print it
    #[arg(long)]
    number: Option<u64>,
}

impl Draw {
    /// The seed, which is shown.
    pub fn seed(&self) -> u64 {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_micros() as u64)
        };
        let seed = self.seed.unwrap_or_else(clock);
        out::progress(&format!("seed {seed}"));
        seed
    }

    pub fn numbers(&self) -> Range<u64> {
        match self.number {
            Some(number) => number..number + 1,
            None => self.first..self.first + self.count,
        }
    }

    /// Is one program to be printed?
    pub fn prints(&self) -> bool {
        self.number.is_some()
    }

    /// Are there to be no more programs?
    pub fn is_over(&self, runner: &Runner) -> bool {
        let most = self.seconds.map(Duration::from_secs);
        most.is_some_and(|most| runner.start.elapsed() >= most)
    }

    /// Shows progress, if it is time to after `done` programs.
    pub fn progress(&self, done: u64, runner: &Runner, said: impl FnOnce() -> String) {
        if done.is_multiple_of(self.every.max(1)) {
            out::progress(&format!("{}, {:.1} s", said(), runner.seconds()));
        }
    }
}

/// A mode as an argument.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    Stock,
    Patcher,
    Verify,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Stock => Mode::Stock,
            ModeName::Patcher => Mode::Patcher,
            ModeName::Verify => Mode::Verify,
        }
    }
}

/// What a mode makes of a program.
pub struct Made {
    /// Time in the system call.
    pub took: Duration,
    /// Growth of the patcher's counters; empty without a patcher.
    pub stats: Stats,
    /// What the kernel reports, without what is drawn for each load; or why it refuses the program.
    pub result: io::Result<Report>,
}

impl Made {
    pub fn errno(&self) -> Option<i32> {
        self.result.as_ref().err()?.raw_os_error()
    }

    /// What the kernel says.
    pub fn said(&self) -> String {
        match &self.result {
            Ok(_) => "loads".to_owned(),
            Err(err) => err.to_string(),
        }
    }
}

/// How what two modes make of a program differs.
pub fn differs(given: &Spec, a: &Made, b: &Made) -> Option<String> {
    match (&a.result, &b.result) {
        (Ok(a), Ok(b)) if a.xlated.is_some() => difference(&given.insns, a, b),
        // Too long for its insns to be reported: their number, and what is not of insns. The hash is that of the
        // program as it was given.
        (Ok(a), Ok(b)) => (a != b).then(|| format!("{} and {} insns", a.insns, b.insns)),
        (Err(x), Err(y)) if x.raw_os_error() == y.raw_os_error() => None,
        _ => Some(format!("{} and {}", a.said(), b.said())),
    }
}

/// What the kernel reports about a loaded program, without what is drawn for each load.
///
/// # Errors
///
/// What the kernel says.
pub fn report(spec: &Spec, prog: &OwnedFd, detail: Detail) -> io::Result<Report> {
    let mut report = bpf::report(prog.as_fd(), detail)?;
    drawn::clear(spec, &mut report);
    Ok(report)
}

/// The running kernel while a check lasts. The mode is put back in the end.
pub struct Runner {
    pub switch: Switch,
    before: Stats,
    start: Instant,
}

impl Runner {
    /// Says what kernel it is.
    ///
    /// # Errors
    ///
    /// A mode that cannot be read; no debugfs.
    pub fn open() -> io::Result<Self> {
        let switch = Switch::open()?;
        out::json(&json!({ "kernel": switch.kernel() }));
        Ok(Self {
            before: Stats::read_if(&switch)?,
            switch,
            start: Instant::now(),
        })
    }

    /// The same for a check that needs the patcher.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn of_patcher() -> io::Result<Self> {
        let runner = Self::open()?;
        match runner.switch.has_patcher() {
            true => Ok(runner),
            false => Err(io::Error::other("this kernel has no patcher")),
        }
    }

    /// These modes.
    ///
    /// # Errors
    ///
    /// This kernel lacks one.
    pub fn modes(&self, names: &[ModeName]) -> io::Result<Vec<Mode>> {
        let modes: Vec<Mode> = names.iter().map(|&name| name.into()).collect();
        let has = self.switch.all_modes();
        match modes.iter().find(|mode| !has.contains(mode)) {
            Some(mode) => Err(io::Error::other(format!("this kernel has no mode {mode}"))),
            None => Ok(modes),
        }
    }

    /// Counts from here on.
    ///
    /// # Errors
    ///
    /// No debugfs.
    pub fn restart(&mut self) -> io::Result<()> {
        self.before = Stats::read_if(&self.switch)?;
        self.start = Instant::now();
        Ok(())
    }

    /// Growth of the patcher's counters.
    ///
    /// # Errors
    ///
    /// No debugfs.
    pub fn grown(&self) -> io::Result<Stats> {
        Ok(Stats::read_if(&self.switch)?.since(&self.before))
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Loads a program in a mode.
    ///
    /// # Errors
    ///
    /// The mode cannot be set, the counters not be read, the program not be asked about. That it is refused is
    /// none.
    pub fn load(&mut self, mode: Mode, spec: &Spec, detail: Detail) -> io::Result<Made> {
        self.load_by(mode, spec, detail, bpf::load)
    }

    /// The same by a function of the caller's.
    ///
    /// # Errors
    ///
    /// As for [`Runner::load`].
    pub fn load_by(
        &mut self,
        mode: Mode,
        spec: &Spec,
        detail: Detail,
        load: impl FnOnce(&Spec) -> io::Result<(OwnedFd, Duration)>,
    ) -> io::Result<Made> {
        self.switch.set(mode)?;
        let before = Stats::read_if(&self.switch)?;
        let loaded = load(spec);
        let stats = Stats::read_if(&self.switch)?.since(&before);
        let (took, result) = match loaded {
            Ok((prog, took)) => (took, Ok(report(spec, &prog, detail)?)),
            Err(err) => (Duration::ZERO, Err(err)),
        };
        let made = Made {
            took,
            stats,
            result,
        };
        Ok(made)
    }

    /// The quickest of `rounds` loads.
    ///
    /// # Errors
    ///
    /// The mode cannot be set; the program is refused.
    pub fn quickest(&mut self, mode: Mode, spec: &Spec, rounds: usize) -> io::Result<Duration> {
        self.switch.set(mode)?;
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            best = best.min(bpf::load(spec)?.1);
        }
        Ok(best)
    }
}

/// A time as results have it.
pub fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// Names of modes, as results have them.
pub fn names(modes: &[Mode]) -> Value {
    modes.iter().map(|mode| mode.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_differ() {
        let made = |result| Made {
            took: Duration::ZERO,
            stats: Stats::default(),
            result,
        };
        let no = |errno| made(Err(io::Error::from_raw_os_error(errno)));
        let yes = |insns| {
            made(Ok(Report {
                insns,
                ..Report::default()
            }))
        };
        let differ = |a, b| differs(&Spec::default(), &a, &b).is_some();
        assert!(!differ(no(12), no(12)) && differ(no(12), no(22)));
        assert!(differ(no(12), yes(0)) && differ(yes(0), no(12)));
        assert!(!differ(yes(9), yes(9)) && differ(yes(0), yes(9)));
    }
}
