// SPDX-License-Identifier: GPL-2.0

//! Random programs, each loaded in both modes and compared, or loaded in mode `verify`, in which the
//! kernel compares every session with what its own code does.

mod compare;
mod coverage;
mod patience;
mod tally;

use std::io;
use std::time::Instant;

use serde_json::json;

use crate::args::RandomArgs;
use crate::bpf::disasm;
use crate::generator::{Case, Generator};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::kernel::unpriv;
use crate::out;
use crate::suites::clock;
use compare::{compared, verified};
use tally::Tally;

/// A program that takes longer, in seconds, is reported.
const SLOW: f64 = 2.0;

/// For each program that is refused, so many have to be accepted.
const ACCEPTED: u64 = 9;

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
            compared(&mut switch, &case, &mut tally.coverage, args.only.is_some())?
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
    out::json(&json!({ "summary": tally.summary(args, seed, &grown, start) }));
    Ok(good)
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
