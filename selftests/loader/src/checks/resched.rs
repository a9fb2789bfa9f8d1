// SPDX-License-Identifier: GPL-2.0

//! For how long a load holds the CPU at a time, from one point of rescheduling to the next.
//!
//! Edits are applied in pieces: what a session holds the CPU for is a part of what it takes, so that the bound
//! is the same on any machine. Behind the verification, a load that is rewritten holds the CPU no longer than
//! one that comes to as many insns without, or that the kernel's own code rewrites.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::runner::{micros, Runner, Verdict};
use crate::bpf::{self, Spec};
use crate::kernel::lateness::{watched, Lateness, Longest, Noted};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::kernel::timer;
use crate::out;
use crate::programs::long::twin;
use crate::programs::victims::Victim;
use crate::programs::{edges, families};

/// Programs are freed a moment after they were closed, which is not to count for the next one.
const FREED: Duration = Duration::from_millis(150);
/// Most insns that a program is loaded with.
const LONGEST: usize = 1_000_000;
/// Loads of the context that become as many insns.
const LOADS: usize = LONGEST / 3;
/// A long program that stock rewrites too, and its edits but for the first.
const FEW: &str = "few";
const EDITS: usize = 4;
/// How long the watching thread is watched itself.
const IDLE: Duration = Duration::from_millis(500);
/// Of so many parts of the time that its edits take to be applied, a session holds the CPU for one at most.
const PARTS: u32 = 4;
/// What is shorter does not count, nor what is less than so many times what the host adds while nothing is loaded.
const SHORT: Duration = Duration::from_millis(10);
const NOISE: u32 = 2;
/// A load with edits holds the CPU for so many times as long as one without at most: the same load has taken 1.4
/// times as long on a busy host.
const LONGER: u32 = 2;

#[derive(Args)]
pub struct ReschedArgs {
    /// Loads of a program in each mode; what is shortest counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// The shortest of what loads of a program have held the CPU for.
struct Held {
    noted: Noted,
    /// What its edits took to be applied.
    linearize: Duration,
}

fn shortest(of: &[Noted], which: impl Fn(&Noted) -> &Longest) -> Longest {
    let all = of.iter().map(which);
    all.min_by_key(|longest| longest.late)
        .cloned()
        .unwrap_or_default()
}

/// Loads programs, and has each load watched.
struct Loads<'a> {
    lateness: &'a Lateness,
    switch: Switch,
    /// Loads of a program.
    rounds: usize,
}

impl Loads<'_> {
    /// Loads a program in a mode, and says what came of it.
    fn of(&mut self, mode: Mode, spec: &Spec) -> io::Result<Held> {
        self.switch.set(mode)?;
        let (mut noted, mut linearize) = (Vec::new(), Duration::MAX);
        for _ in 0..self.rounds {
            sleep(FREED);
            let before = Stats::read()?;
            self.lateness.take();
            let _prog = bpf::load(spec)?;
            noted.push(self.lateness.take());
            let grown = Stats::read()?.since(&before);
            linearize = linearize.min(Duration::from_nanos(grown.get("linearize_ns")));
        }
        let noted = Noted {
            load: shortest(&noted, |noted| &noted.load),
            behind: shortest(&noted, |noted| &noted.behind),
            session: shortest(&noted, |noted| &noted.session),
        };
        let of = |longest: &Longest| json!({ "us": micros(longest.late), "in": longest.place });
        out::json(&json!({
            "program": spec.name,
            "mode": mode.name(),
            "insns": spec.insns.len(),
            "load": of(&noted.load),
            "behind": of(&noted.behind),
            "session": of(&noted.session),
            "linearize_us": micros(linearize),
        }));
        Ok(Held { noted, linearize })
    }

    /// How late the watching thread is while nothing is loaded.
    fn idle(&self) -> Duration {
        let late = (0..self.rounds).map(|_| {
            self.lateness.take();
            let start = timer::now();
            while timer::now().saturating_sub(start) < IDLE {}
            self.lateness.take().load.late
        });
        late.min().unwrap_or_default()
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Is a session short enough, where what is below `floor` does not count? Says so if not.
fn in_pieces(name: &str, held: &Held, floor: Duration) -> bool {
    let session = &held.noted.session;
    let good = session.late <= floor.max(held.linearize / PARTS);
    if !good {
        out::progress(&format!(
            "{name}: a session holds the CPU for {} of {}, to {}",
            millis(session.late),
            millis(held.linearize),
            session.place
        ));
    }
    good
}

/// Is `held` no longer than `other`, behind the verification? Likewise.
fn as_short(name: &str, held: &Held, other: &Held, floor: Duration) -> bool {
    let (held, other) = (&held.noted.behind, &other.noted.behind);
    let good = held.late <= floor.max(other.late * LONGER);
    if !good {
        out::progress(&format!(
            "{name}: a load holds the CPU for {}, to {}, and without edits, or in stock, for {}, to {}",
            millis(held.late),
            held.place,
            millis(other.late),
            other.place
        ));
    }
    good
}

/// Runs the command; true if no session holds the CPU for long, and no load with edits for longer than without.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
pub fn run(args: &ReschedArgs) -> io::Result<Verdict> {
    let switch = Runner::of_patcher()?.switch;
    watched(|lateness| {
        let mut loads = Loads {
            lateness,
            switch,
            rounds: args.rounds,
        };
        let idle = loads.idle();
        let floor = SHORT.max(idle * NOISE);
        let few = edges::few(FEW, LONGEST, EDITS);
        // With what is to hold the CPU for as long.
        let programs = [
            (Victim::Divisions.spec()?, None),
            (Victim::Nops.spec()?, None),
            (Victim::Far.spec()?, None),
            (families::context_loads(LOADS), Some(twin(LONGEST))),
            (families::context_loads(LONGEST - 1_000), None),
            (few.clone(), Some(few)),
        ];
        let mut good = true;
        let (mut session, mut patcher, mut stock) =
            (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for (spec, other) in &programs {
            let held = loads.of(Mode::Patcher, spec)?;
            // To make room for a long program is one piece, and with few edits most of the time.
            if spec.name != FEW {
                good &= in_pieces(&spec.name, &held, floor);
            }
            session = session.max(held.noted.session.late);
            if let Some(other) = other {
                let other = loads.of(Mode::Stock, other)?;
                good &= as_short(&spec.name, &held, &other, floor);
                patcher = patcher.max(held.noted.behind.late);
                stock = stock.max(other.noted.behind.late);
            }
        }
        out::json(&json!({ "summary": {
            "command": "resched",
            "idle_us": micros(idle),
            "session_us": micros(session),
            "patcher_us": micros(patcher),
            "stock_us": micros(stock),
        }}));
        let said = format!(
            "no rescheduling for at most {} us in a session, {} in its load, {} in stock's",
            micros(session),
            micros(patcher),
            micros(stock)
        );
        // Or no stack was known for one of a session.
        Ok(Verdict::new(good && session > Duration::ZERO, said))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(session: u64, behind: u64, linearize: u64) -> Held {
        let longest = |late| Longest {
            late: Duration::from_millis(late),
            place: String::new(),
        };
        Held {
            noted: Noted {
                load: longest(behind),
                behind: longest(behind),
                session: longest(session),
            },
            linearize: Duration::from_millis(linearize),
        }
    }

    #[test]
    fn what_is_too_long() {
        assert!(in_pieces("", &held(25, 0, 100), SHORT));
        assert!(!in_pieces("", &held(26, 0, 100), SHORT));
        assert!(in_pieces("", &held(10, 0, 12), SHORT));
        assert!(in_pieces("", &held(26, 0, 100), SHORT * 3));
        let other = held(0, 80, 0);
        assert!(as_short("", &held(0, 160, 0), &other, SHORT));
        assert!(!as_short("", &held(0, 161, 0), &other, SHORT));
        assert!(as_short("", &held(0, 10, 0), &held(0, 1, 0), SHORT));
    }

    #[test]
    fn the_shortest_of_all_loads_counts() {
        let of = |late| held(late, 0, 0).noted;
        let all = [of(7), of(3), of(5)];
        assert_eq!(
            shortest(&all, |noted| &noted.session).late,
            Duration::from_millis(3)
        );
    }
}
