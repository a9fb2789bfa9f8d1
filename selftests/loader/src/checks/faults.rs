// SPDX-License-Identifier: GPL-2.0

//! Each allocation of a load fails once: the n-th of them, for n = 1, 2, 3 and so on, until the load has
//! fewer. Of long loads only the last allocations fail, in which programs are rewritten.
//!
//! A single failure does no harm to an array that `kvrealloc()` makes, as it tries twice. So further allocations
//! fail in the same load behind the n-th one, too.
//!
//! Few edits of a short program are left to the kernel's own functions, whose failures the patcher counts as its
//! own. So those in the engine are counted too, which is the only one to take the time of its linearize.
//!
//! A session begins in the memory of the one before, if that is little. So that what a new one allocates fails too,
//! programs by hand and of families are each loaded behind a program whose sessions keep too much.
//!
//! A load with a failure gives an errno that stock gives for one, or it gives the program, as some
//! allocations are tried another way. The load behind it gives what it gave before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::leaks;
use super::runner::{report, Runner, Verdict};
use crate::bpf::{self, Detail, Report, Spec};
use crate::compare::difference;
use crate::kernel::fault::Faults;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;
use crate::programs::mixed::{Kept, Mixed};
use crate::programs::{long, Given, Origin, Source};

/// Bytes that the kernel may use more in the end: caches of its own.
const GROWTH: u64 = 4 << 20;
/// Of a program with a jump that is too far, which is long, so many allocations fail at most.
const FAR_MOST: u32 = 100;
/// Progress is shown about so often.
const SAID: Duration = Duration::from_secs(20);
/// Differences that are shown.
const SHOWN: usize = 20;
/// Programs that are loaded in each mode before memory is looked at, so that the kernel's caches are full.
const WARM: usize = 50;
/// Divisions of the program whose session is too large for the next one to begin in: `KEPT` in rust/spare.rs.
const NO_SPARE: usize = 800;

#[derive(Args)]
pub struct FaultArgs {
    /// Number of programs
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// Begin with those that have a jump that is too far
    #[arg(long)]
    far: bool,
    /// Where the random ones come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of a load with more allocations, only so many fail: the last ones, those of the rewriting
    #[arg(long, default_value_t = 400)]
    most: u32,
    /// Numbers of allocations that fail in a row
    #[arg(long, value_delimiter = ',', default_value = "1,3", value_parser = clap::value_parser!(u32).range(1..))]
    rows: Vec<u32>,
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    progs: PathBuf,
    #[command(flatten)]
    leaks: leaks::LeakArgs,
}

/// What came of the loads of one mode.
#[derive(Default)]
struct Tally {
    /// Loads with an allocation that failed.
    failures: u64,
    /// Of them, those that gave the program all the same.
    passed: u64,
    /// All others, by errno.
    errnos: BTreeMap<i32, u64>,
    /// Failures in functions of the patcher.
    inside: u64,
    /// Loads with such a failure whose only session had come to the engine's linearize.
    in_engine: u64,
    /// Loads with such a failure that had come to the end of no session.
    in_begin: u64,
    /// Of [`Tally::in_engine`], those of a program with a jump that is too far, before it was relaxed.
    in_relax: u64,
}

/// What all programs need.
struct Setup {
    faults: Faults,
    /// Sessions behind a load of it begin in new memory.
    no_spare: Spec,
}

/// What one program gives.
struct Bench<'a> {
    switch: &'a mut Switch,
    mode: Mode,
    spec: &'a Spec,
    faults: &'a Faults,
    first: &'a Report,
    /// What is loaded in front of it.
    in_front: Option<&'a Spec>,
    /// It has a jump that is too far.
    is_far: bool,
}

impl Bench<'_> {
    /// What differs from the first load.
    fn differs(&self, prog: &OwnedFd) -> io::Result<Option<String>> {
        let report = report(self.spec, prog, Detail::Full)?;
        Ok(difference(&self.spec.insns, self.first, &report))
    }

    /// Loads what is to be loaded in front: in mode patcher, as it is long.
    fn prepare(&mut self) -> io::Result<()> {
        let Some(spec) = self.in_front else {
            return Ok(());
        };
        self.switch.set(Mode::Patcher)?;
        let loaded = bpf::load(spec);
        self.switch.set(self.mode)?;
        loaded.map(drop)
    }

    /// Lets allocations fail, `row` in a row, from each of the last `most` of them on. Returns the errnos of the
    /// loads.
    fn run(
        &mut self,
        most: u32,
        row: u32,
        tally: &mut Tally,
        problems: &mut Vec<String>,
    ) -> io::Result<BTreeSet<i32>> {
        let by = |call: &mut dyn FnMut() -> io::Result<OwnedFd>| self.faults.count(call);
        self.prepare()?;
        let (_, total) = bpf::load_by(self.spec, &mut [], 0, by)??;
        let mut seen = BTreeSet::new();
        // Rewriting is what a load ends with.
        for n in total.saturating_sub(most) + 1.. {
            let by =
                |call: &mut dyn FnMut() -> io::Result<OwnedFd>| self.faults.fail_row(n, row, call);
            self.prepare()?;
            let before = Stats::read_if(self.switch)?;
            let (result, failed) = bpf::load_by(self.spec, &mut [], 0, by)??;
            let grown = Stats::read_if(self.switch)?.since(&before);
            let inside = grown.get("fail_enomem") > 0;
            let sessions = grown.get("sessions");
            let in_engine = inside && sessions == 1 && grown.get("linearize_ns") > 0;
            tally.in_engine += u64::from(in_engine);
            tally.in_begin += u64::from(inside && sessions == 0);
            tally.in_relax += u64::from(in_engine && self.is_far && grown.get("far_sessions") == 0);
            let mut said = match &result {
                Ok(prog) => self.differs(prog)?,
                Err(err) if failed => {
                    let errno = err.raw_os_error().unwrap_or(0);
                    seen.insert(errno);
                    *tally.errnos.entry(errno).or_default() += 1;
                    None
                }
                Err(err) => Some(format!("no allocation failed, and still {err}")),
            };
            tally.passed += u64::from(failed && result.is_ok());
            tally.failures += u64::from(failed);
            drop(result);
            if failed {
                let next = bpf::load(self.spec);
                let after = match next {
                    Ok((prog, _)) => self.differs(&prog)?,
                    Err(err) => Some(err.to_string()),
                };
                said = said.or(after.map(|text| format!("the next load: {text}")));
            }
            if let Some(text) = said {
                let name = &self.spec.name;
                problems.push(format!("{name}, allocation {n}, {row} in a row: {text}"));
            }
            if !failed {
                break;
            }
        }
        Ok(seen)
    }
}

/// Lets the allocations of loads of a program fail in each mode. `prog` is its first load.
fn one(
    switch: &mut Switch,
    setup: &Setup,
    (given, prog): (&Given, &OwnedFd),
    args: &FaultArgs,
    tallies: &mut [Tally],
    problems: &mut Vec<String>,
    in_stock: &mut BTreeSet<i32>,
) -> io::Result<()> {
    let modes = switch.all_modes();
    let spec = &given.spec;
    let first = report(spec, prog, Detail::Full)?;
    let is_short = matches!(
        given.origin,
        Origin::Hand | Origin::User | Origin::Blinded | Origin::Family(_)
    );
    let is_far = given.origin == Origin::Far;
    let most = match is_far {
        true => args.most.min(FAR_MOST),
        false => args.most,
    };
    let modes_and_tallies = modes.iter().zip(tallies);
    for (&mode, tally) in modes_and_tallies.filter(|(mode, _)| given.origin.loads_in(**mode)) {
        switch.set(mode)?;
        let before = Stats::read_if(switch)?;
        let mut bench = Bench {
            switch,
            mode,
            spec,
            faults: &setup.faults,
            first: &first,
            in_front: (is_short && mode != Mode::Stock).then_some(&setup.no_spare),
            is_far,
        };
        let found = problems.len();
        let mut seen = BTreeSet::new();
        for &row in &args.rows {
            seen.extend(bench.run(most, row, tally, problems)?);
        }
        let grown = Stats::read_if(switch)?.since(&before);
        tally.inside += grown.get("fail_enomem");
        if grown.get("verify_differences") > 0 {
            problems.push(format!("{}: a session differs", spec.name));
        }
        if is_far && mode == Mode::Patcher && grown.get("far_sessions") == 0 {
            problems.push(format!("{}: no jump is relaxed", spec.name));
        }
        // What stock's own code gives for a lack of memory in front of the passes, the patcher does not.
        if grown.get("fail_einval") + grown.get("fail_erange") > 0 {
            problems.push(format!("{}: an edit or a jump is refused", spec.name));
        }
        if mode == Mode::Stock {
            in_stock.extend(seen);
        } else {
            let news: Vec<_> = seen.difference(in_stock).collect();
            if !news.is_empty() {
                problems.push(format!("{}: errno {news:?}, not so in stock", spec.name));
            }
        }
        for text in &mut problems[found..] {
            *text = format!("mode {mode}: {text}");
        }
    }
    Ok(())
}

/// Loads programs in each mode, so that the kernel's caches are full. Returns the bytes in use then.
fn warm(switch: &mut Switch, programs: &mut Mixed, numbers: Range<usize>) -> io::Result<u64> {
    for number in numbers {
        let given = programs.program(number);
        for &mode in switch.all_modes() {
            switch.set(mode)?;
            // Those that do not load are judged later.
            let _ = bpf::load(&given.spec);
        }
    }
    leaks::forget();
    leaks::used()
}

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// This kernel has no fault injection; no objects; what it says about a map.
pub fn run(args: &FaultArgs) -> io::Result<Verdict> {
    let mut runner = Runner::open()?;
    let switch = &mut runner.switch;
    let mut programs = Mixed::new(&args.progs, args.seed)?;
    let has_jit = programs.has_jit();
    let setup = Setup {
        no_spare: long::divisions(NO_SPARE),
        faults: Faults::with_pages()?,
    };
    let modes = switch.all_modes();
    let mut tallies: Vec<Tally> = modes.iter().map(|_| Tally::default()).collect();
    let mut problems = Vec::new();
    // Of all programs so far: of a long load the first allocations do not fail. And the one that is meant.
    let mut in_stock = BTreeSet::from([libc::ENOMEM]);
    let mut kept = Kept::default();
    let start = Instant::now();
    let mut told = start;
    let first = match args.far {
        true => programs.first(Origin::Far),
        false => 0,
    };
    let last = first + args.count.min(WARM);
    let before = warm(switch, &mut programs, first..last)?;
    for number in first.. {
        let given = programs.program(number);
        let Some(&mode) = modes.iter().find(|mode| given.origin.loads_in(**mode)) else {
            continue;
        };
        switch.set(mode)?;
        let Some(prog) = kept.load(&given)? else {
            continue;
        };
        one(
            switch,
            &setup,
            (&given, &prog),
            args,
            &mut tallies,
            &mut problems,
            &mut in_stock,
        )?;
        let count = kept.count();
        if told.elapsed() >= SAID {
            told = Instant::now();
            let failures: u64 = tallies.iter().map(|tally| tally.failures).sum();
            let seconds = start.elapsed().as_secs_f64();
            out::progress(&format!(
                "{count} programs, {failures} failures, {} problems, {seconds:.0} s",
                problems.len()
            ));
        }
        if count >= args.count {
            break;
        }
    }
    for text in problems.iter().take(SHOWN) {
        out::progress(text);
    }
    for (mode, tally) in modes.iter().zip(&tallies) {
        out::json(&json!({ "faults": {
            "mode": mode.name(),
            "failures": tally.failures,
            "passed": tally.passed,
            "inside": tally.inside,
            "in_engine": tally.in_engine,
            "in_begin": tally.in_begin,
            "in_relax": tally.in_relax,
            "errnos": tally.errnos.iter().map(|(errno, n)| (errno.to_string(), *n))
                .collect::<BTreeMap<_, _>>(),
        }}));
    }
    out::json(&json!({ "kept": kept.json() }));
    let look = args.leaks.look()?;
    let grown = leaks::used()?.saturating_sub(before);
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    // A mode in which the patcher did not meet a failure shows nothing. Mode verify does not take linearize's time.
    let met = |(&mode, tally): (&Mode, &Tally)| {
        let in_begin = tally.in_begin > 0 || !kept.has(Origin::Hand);
        let in_relax = tally.in_relax > 0 || !kept.has(Origin::Far);
        match mode {
            Mode::Stock => true,
            Mode::Patcher => tally.in_engine > 0 && in_begin && in_relax,
            Mode::Verify => tally.inside > 0 && in_begin,
        }
    };
    let good = problems.is_empty()
        && look.good
        && grown <= GROWTH
        && kept.is_enough()
        // Of short programs, all are among the first ones.
        && (args.far || kept.has(Origin::User) && (!has_jit || kept.has(Origin::Blinded)))
        && modes.iter().zip(&tallies).all(met);
    out::json(&json!({ "summary": {
        "command": "faults",
        "good": good,
        "programs": kept.count(),
        "failures": sum(|tally| tally.failures),
        "inside": sum(|tally| tally.inside),
        "in_engine": sum(|tally| tally.in_engine),
        "in_begin": sum(|tally| tally.in_begin),
        "in_relax": sum(|tally| tally.in_relax),
        "problems": problems.len(),
        "leaks": look.leaks,
        "grown_kib": grown >> 10,
        "seconds": start.elapsed().as_secs_f64(),
    }}));
    let said = format!(
        "{} allocations failed, {} of them in the engine, in {} programs, {} of ordinary users, {} blinded; {} problems",
        sum(|tally| tally.failures),
        sum(|tally| tally.in_engine),
        kept.count(),
        kept.of(Origin::User),
        kept.of(Origin::Blinded),
        problems.len()
    );
    Ok(Verdict::new(good, said))
}
