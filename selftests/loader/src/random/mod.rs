// SPDX-License-Identifier: GPL-2.0

//! Random programs, each loaded in both modes and compared, or loaded in mode `verify`, in which the
//! kernel compares every session with what its own code does.

mod asm;
mod body;
mod coverage;
mod disasm;
mod fields;
mod flow;
mod kinds;
mod leaf;
mod maps;
mod patience;
mod profile;
mod program;
mod random_insns;
mod rng;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{json, Value};

use crate::args::RandomArgs;
use crate::bpf::{self, Detail, Report};
use crate::compare::difference;
use crate::insn::decode;
use crate::mode::{Mode, Stats, Switch};
use crate::out;
use crate::unpriv;
use coverage::Coverage;
use patience::Hurry;
use program::{Case, Generator};

/// A program that takes longer, in seconds, is reported.
const SLOW: f64 = 2.0;

/// For each program that is refused, so many have to be accepted.
const ACCEPTED: u64 = 9;

/// What became of the programs so far.
#[derive(Default)]
struct Tally {
    loaded: u64,
    refused: u64,
    /// Of those refused: for their callbacks, at the very end, as there is no JIT.
    refused_callback: u64,
    /// Of those refused: as verifying took too long.
    refused_slow: u64,
    unprivileged: u64,
    insns: u64,
    identical: u64,
    differences: u64,
    reasons: BTreeMap<String, u64>,
    coverage: Coverage,
}

/// What became of one program.
enum Outcome {
    Identical,
    /// Loaded; comparing is up to the kernel.
    Loaded,
    Refused(io::Error),
    /// Given up, as verifying took too long.
    Slow,
    /// What is different.
    Different(String),
}

/// Runs the command; true when there was no difference, and something to compare.
///
/// # Errors
///
/// The kernel lacks the mode, or does not let us have maps; no debugfs.
pub fn run(args: &RandomArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    if !switch.has_patcher() {
        return Err(io::Error::other("this kernel has no patcher to compare"));
    }
    out::json(&json!({ "kernel": switch.kernel() }));
    let seed = args.seed.unwrap_or_else(clock);
    out::progress(&format!("seed {seed}"));
    let allowed = unpriv::allow()?;
    let mut generator = Generator::new()?;
    let mut tally = Tally::default();
    // Programs that ask what is allowed are loaded in a mode, too.
    switch.set(Mode::Stock)?;

    let before = Stats::read()?;
    let start = Instant::now();
    let numbers = match args.only {
        Some(number) => number..number + 1,
        None => args.first..args.first + args.count,
    };
    for number in numbers {
        let case = generator.case(seed, number);
        if args.only.is_some() {
            describe(&case);
        }
        let began = Instant::now();
        let outcome = if args.verify {
            verified(&mut switch, &case)?
        } else {
            compared(&mut switch, &case, &mut tally, args.only.is_some())?
        };
        let took = began.elapsed().as_secs_f64();
        if took > SLOW {
            let insns = case.spec.insns.len();
            out::progress(&format!("case {number}: {insns} insns took {took:.1} s"));
        }
        tally.add(&case, outcome, seed, number, args);
        if (number + 1) % args.every.max(1) == 0 {
            let seconds = start.elapsed().as_secs_f64();
            out::progress(&format!(
                "{} programs, {} refused, {} differences, {seconds:.1} s",
                number + 1,
                tally.refused,
                tally.differences
            ));
        }
    }
    let grown = Stats::read()?.since(&before);
    drop(allowed);
    for (reason, count) in &tally.reasons {
        out::progress(&format!("{count:6} {reason}"));
    }
    // A program that is refused before it is rewritten shows nothing.
    let accepted = args.only.is_some() || tally.refused * ACCEPTED <= tally.loaded;
    let good = tally.differences == 0
        && accepted
        && grown.get("edits") > 0
        && (!args.verify || grown.is_verified());
    out::json(&json!({ "coverage": tally.coverage.json() }));
    out::json(&json!({ "summary": summary(args, seed, &tally, &grown, start) }));
    Ok(good)
}

fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

fn summary(args: &RandomArgs, seed: u64, tally: &Tally, grown: &Stats, start: Instant) -> Value {
    json!({
        "command": "random",
        "seed": seed,
        "verify": args.verify,
        "count": tally.loaded + tally.refused,
        "loaded": tally.loaded,
        "refused": tally.refused,
        "refused_callback": tally.refused_callback,
        "refused_slow": tally.refused_slow,
        "unprivileged": tally.unprivileged,
        "insns": tally.insns,
        "edits": grown.get("edits"),
        "sessions": grown.get("sessions"),
        "identical": tally.identical,
        "differences": tally.differences,
        "verify_sessions": grown.get("verify_sessions"),
        "verify_differences": grown.get("verify_differences"),
        "seconds": start.elapsed().as_secs_f64(),
    })
}

/// Loads a program, unless that takes too long. The outer error is ours.
fn in_time(case: &Case) -> io::Result<io::Result<(OwnedFd, Duration)>> {
    let hurry = Hurry::start()?;
    let loaded = bpf::load(&case.spec);
    drop(hurry);
    Ok(loaded)
}

/// Loads a program in mode verify. The outer error is ours.
fn verified(switch: &mut Switch, case: &Case) -> io::Result<Outcome> {
    switch.set(Mode::Verify)?;
    let before = Stats::read()?;
    let loaded = in_time(case)?;
    let grown = Stats::read()?.since(&before);
    let different = grown.get("verify_differences");
    Ok(match loaded {
        _ if different > 0 => Outcome::Different(format!("{different} sessions differ")),
        Ok(_) => Outcome::Loaded,
        Err(err) if err.raw_os_error() == Some(libc::EAGAIN) => Outcome::Slow,
        Err(err) => Outcome::Refused(err),
    })
}

/// Loads a program in both modes. The outer error is ours.
fn compared(
    switch: &mut Switch,
    case: &Case,
    tally: &mut Tally,
    list: bool,
) -> io::Result<Outcome> {
    let report = |loaded: io::Result<(OwnedFd, Duration)>| match loaded {
        Ok((prog, _)) => bpf::report(prog.as_fd(), Detail::Full).map(Ok),
        Err(err) => Ok(Err(err)),
    };
    switch.set(Mode::Stock)?;
    let stock = report(in_time(case)?)?;
    if let Err(err) = &stock {
        if err.raw_os_error() == Some(libc::EAGAIN) {
            return Ok(Outcome::Slow);
        }
    }
    // What took no longer than allowed once may just do so the next time.
    switch.set(Mode::Patcher)?;
    let patcher = report(bpf::load(&case.spec))?;
    let (mut stock, mut patcher) = match (stock, patcher) {
        (Ok(stock), Ok(patcher)) => (stock, patcher),
        (Err(a), Err(b)) if a.raw_os_error() == b.raw_os_error() => {
            return refused(switch, case, a);
        }
        (stock, patcher) => {
            let said = |result: &io::Result<Report>| match result {
                Ok(_) => "loads".to_owned(),
                Err(err) => err.to_string(),
            };
            let text = format!("stock: {}, patcher: {}", said(&stock), said(&patcher));
            return Ok(Outcome::Different(text));
        }
    };
    if case.random_insns {
        random_insns::clear(&mut stock);
        random_insns::clear(&mut patcher);
    }
    tally.coverage.reported(case, &patcher);
    let found = difference(&case.spec.insns, &stock, &patcher);
    if list {
        for (mode, report) in [(Mode::Stock, &stock), (Mode::Patcher, &patcher)] {
            out::progress(&format!("{mode}:"));
            let xlated = report.xlated.as_deref().unwrap_or_default();
            out::progress(&disasm::listing(&decode(xlated)));
        }
    }
    Ok(match found {
        None => Outcome::Identical,
        Some(text) => Outcome::Different(text),
    })
}

/// Refused in both modes; when for a jump that no longer fits, the same one must be named.
fn refused(switch: &mut Switch, case: &Case, err: io::Error) -> io::Result<Outcome> {
    if err.raw_os_error() != Some(libc::ENOMEM) {
        return Ok(Outcome::Refused(err));
    }
    let mut reason = |mode| {
        switch.set(mode)?;
        Ok::<_, io::Error>(bpf::refusal(&case.spec))
    };
    let (stock, patcher) = (reason(Mode::Stock)?, reason(Mode::Patcher)?);
    Ok(if stock == patcher {
        Outcome::Refused(err)
    } else {
        Outcome::Different(format!("stock: {stock:?}, patcher: {patcher:?}"))
    })
}

impl Tally {
    fn add(&mut self, case: &Case, outcome: Outcome, seed: u64, number: u64, args: &RandomArgs) {
        self.coverage.given(case);
        self.insns += case.spec.insns.len() as u64;
        self.unprivileged += u64::from(case.spec.unprivileged);
        match outcome {
            Outcome::Identical => {
                self.loaded += 1;
                self.identical += 1;
            }
            Outcome::Loaded => self.loaded += 1,
            Outcome::Slow => {
                self.refused += 1;
                self.refused_slow += 1;
            }
            Outcome::Refused(err) => {
                self.refused += 1;
                let callback = case.callback && err.raw_os_error() == Some(libc::EINVAL);
                self.refused_callback += u64::from(callback);
                if args.only.is_some() {
                    out::progress(&bpf::log(&case.spec));
                }
                if args.reasons || args.only.is_some() {
                    let reason = bpf::refusal(&case.spec).unwrap_or_default();
                    out::progress(&format!(
                        "case {number}: {} refused, {err}: {reason}",
                        case.kind
                    ));
                    let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
                    let reason: String = reason.chars().map(digits).collect();
                    *self.reasons.entry(reason).or_default() += 1;
                }
            }
            Outcome::Different(text) => {
                self.loaded += 1;
                self.differences += 1;
                out::progress(&format!("seed {seed} case {number}: {text}"));
                out::json(&json!({ "random": {
                    "seed": seed, "case": number, "kind": case.kind, "difference": text,
                }}));
            }
        }
    }
}

/// Prints a program.
fn describe(case: &Case) {
    let spec = &case.spec;
    let user = if spec.unprivileged {
        "an ordinary user"
    } else {
        "root"
    };
    out::progress(&format!(
        "{} of {user}, flags {:#x}, functions at {:?}, {} lines of line info, {} insns:",
        case.kind,
        spec.flags,
        case.starts,
        spec.line_info.count(),
        spec.insns.len(),
    ));
    out::progress(&disasm::listing(&spec.insns));
}
