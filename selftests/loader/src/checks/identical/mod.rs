// SPDX-License-Identifier: GPL-2.0

//! Do all modes make the same of a program: the same insns, line info and so on, or the same errno? In mode
//! `verify` the kernel compares, too: every session with what its own code does.

mod coverage;
mod judge;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::runner::{names, Draw, Made, ModeName, Runner, Verdict};
use crate::bpf::insn::decode;
use crate::bpf::{self, disasm};
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;
use crate::out;
use crate::programs::generator::Case;
use crate::programs::{named, Given, Origin, Random, Source, SOURCES};
use coverage::Coverage;
use judge::{Judge, Outcome, Plant};

/// A program that takes longer, in seconds, is reported.
const SLOW: f64 = 2.0;
/// For each random program that is refused, so many have to be accepted.
const ACCEPTED: u64 = 9;

#[derive(Args)]
pub struct IdenticalArgs {
    /// Only these programs
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "context,handmade,objects"
    )]
    only: Vec<String>,
    /// Say which programs there are
    #[arg(long)]
    list: bool,
    /// Modes to load in. In mode verify alone, the kernel's own comparison is what counts
    #[arg(long, value_delimiter = ',', default_value = "stock,patcher")]
    modes: Vec<ModeName>,
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    progs: PathBuf,
    #[command(flatten)]
    draw: Draw,
    /// Ask why random programs were refused, and count the answers
    #[arg(long)]
    reasons: bool,
    /// Spoil what the last mode makes of each program on purpose: the command must then fail
    #[arg(long)]
    plant: Option<Plant>,
}

/// What became of the programs of a source.
#[derive(Default)]
struct Tally {
    loaded: u64,
    refused: u64,
    /// Of those refused: as verifying took too long.
    slow: u64,
    /// Of those refused: for their callbacks, at the very end, as there is no JIT.
    callbacks: u64,
    bad: u64,
    /// Programs with a jump that is too far, which then was made longer.
    relaxed: u64,
    unprivileged: u64,
    insns: u64,
    reasons: BTreeMap<String, u64>,
    coverage: Coverage,
}

impl Tally {
    fn count(&self) -> u64 {
        self.loaded + self.refused + self.bad
    }
}

/// Loads programs.
struct Check<'a> {
    judge: Judge<'a>,
    args: &'a IdenticalArgs,
    source: &'static str,
    tally: Tally,
}

impl Check<'_> {
    /// Loads a program, and counts what became of it. Tells at once what is wrong, as a difference in mode verify may
    /// bring the kernel down.
    fn program(&mut self, given: &Given, number: u64, case: Option<&Case>) -> io::Result<()> {
        let (outcome, all) = self.judge.outcome(given)?;
        let spec = &given.spec;
        self.tally.insns += spec.insns.len() as u64;
        self.tally.unprivileged += u64::from(spec.unprivileged);
        let mut json = json!({
            "source": self.source, "object": given.object, "name": spec.name, "number": number,
            "modes": names(&all.iter().map(|(mode, _)| *mode).collect::<Vec<_>>()),
            "insns_before": spec.insns.len(),
        });
        let wrong = match outcome {
            Outcome::Loaded => {
                self.tally.loaded += 1;
                None
            }
            Outcome::Slow => {
                self.tally.refused += 1;
                self.tally.slow += 1;
                None
            }
            Outcome::Refused => {
                self.tally.refused += 1;
                // One with a jump that is too far has loaded in the end.
                self.tally.relaxed += u64::from(given.refused == Some(libc::ENOMEM));
                None
            }
            Outcome::Different(text) => {
                self.tally.bad += 1;
                Some(text)
            }
        };
        let (_, last) = all.last().expect("there is a mode");
        match &last.result {
            Ok(report) => {
                json["insns_after"] = report.insns.into();
                json["edits"] = last.stats.get("edits").into();
            }
            Err(err) => json["error"] = err.to_string().into(),
        }
        json["identical"] = wrong.is_none().into();
        json["difference"] = wrong.clone().into();
        if let Some(text) = &wrong {
            let at = case.map_or(String::new(), |case| {
                format!("case {number}, {}: ", case.kind)
            });
            out::progress(&format!("{at}{}: {text}", spec.name));
        }
        if case.is_none() || wrong.is_some() {
            out::json(&json!({ "program": json }));
        }
        if let Some(case) = case {
            self.of_random(case, number, last);
        }
        Ok(())
    }

    /// What is told of random programs alone.
    fn of_random(&mut self, case: &Case, number: u64, made: &Made) {
        let prints = self.args.draw.prints();
        match &made.result {
            Ok(report) => {
                self.tally.coverage.reported(case, report);
                if prints {
                    let xlated = report.xlated.as_deref().unwrap_or_default();
                    out::progress(&disasm::listing(&decode(xlated)));
                }
            }
            Err(err) => {
                let callback = case.callback && err.raw_os_error() == Some(libc::EINVAL);
                self.tally.callbacks += u64::from(callback);
                if prints {
                    out::progress(&bpf::log(&case.spec));
                }
                if self.args.reasons || prints {
                    let reason = bpf::refusal(&case.spec).unwrap_or_default();
                    let kind = case.kind;
                    out::progress(&format!("case {number}: {kind} refused, {err}: {reason}"));
                    let digits = |c: char| if c.is_ascii_digit() { '#' } else { c };
                    let reason = reason.chars().map(digits).collect();
                    *self.tally.reasons.entry(reason).or_default() += 1;
                }
            }
        }
    }

    fn random(&mut self, seed: u64) -> io::Result<()> {
        // Programs that ask what is allowed are loaded in a mode, too.
        self.judge.runner.switch.set(Mode::Stock)?;
        let mut random = Random::new(seed)?;
        let draw = &self.args.draw;
        for number in draw.numbers() {
            if draw.is_over(self.judge.runner) {
                break;
            }
            let case = random.case(number);
            if draw.prints() {
                describe(&case);
            }
            self.tally.coverage.given(&case);
            let began = self.judge.runner.seconds();
            let given = Given::new(Origin::Random, case.spec.clone());
            self.program(&given, number, Some(&case))?;
            let took = self.judge.runner.seconds() - began;
            if took > SLOW {
                let insns = given.spec.insns.len();
                out::progress(&format!("case {number}: {insns} insns took {took:.1} s"));
            }
            let tally = &self.tally;
            draw.progress(number + 1, self.judge.runner, || {
                let (refused, bad) = (tally.refused, tally.bad);
                format!(
                    "{} programs, {refused} refused, {bad} differences",
                    tally.count()
                )
            });
        }
        for (reason, count) in &self.tally.reasons {
            out::progress(&format!("{count:6} {reason}"));
        }
        out::json(&json!({ "coverage": self.tally.coverage.json() }));
        Ok(())
    }

    fn all_of(&mut self, source: &mut dyn Source) -> io::Result<()> {
        for number in 0..source.size().unwrap_or(self.args.draw.count as usize) {
            self.program(&source.program(number), number as u64, None)?;
        }
        Ok(())
    }

    /// Was there enough to compare?
    fn is_enough(&self, grown: &Stats) -> bool {
        let Tally {
            loaded, refused, ..
        } = self.tally;
        let accepted = self.source != "random"
            || self.args.draw.prints()
            // A program that is refused before it is rewritten shows nothing.
            || refused * ACCEPTED <= loaded;
        let rewritten = grown.get("edits") > 0 || !self.judge.runner.switch.has_patcher();
        loaded > 0 && accepted && rewritten
    }
}

/// Runs the command; true if all modes agree about each program, and there was something to compare.
///
/// # Errors
///
/// The kernel lacks a mode; no objects; what it says about a map.
pub fn run(args: &IdenticalArgs) -> io::Result<Verdict> {
    if args.list {
        for source in &SOURCES {
            let size = match source.open(&args.progs, 0).map(|source| source.size()) {
                Ok(Some(size)) => format!("{size}"),
                Ok(None) => "no end".to_owned(),
                Err(err) => err.to_string(),
            };
            out::progress(&format!("{}: {} ({size})", source.name, source.what));
        }
        return Ok(Verdict::new(true, "listed"));
    }
    let mut runner = Runner::open()?;
    let modes = match runner.switch.has_patcher() {
        true => runner.modes(&args.modes)?,
        false => vec![Mode::Stock],
    };
    let sources = args.only.iter().map(|name| named(name));
    let sources = sources.collect::<io::Result<Vec<_>>>()?;
    let seed = args.draw.seed();
    let (mut good, mut programs, mut refused, mut bad, mut relaxed) = (true, 0, 0, 0, 0);
    for source in sources {
        let before = Stats::read_if(&runner.switch)?;
        let mut check = Check {
            judge: Judge {
                runner: &mut runner,
                modes: &modes,
                plant: args.plant,
            },
            args,
            source: source.name,
            tally: Tally::default(),
        };
        if source.name == "random" {
            check.random(seed)?;
        } else {
            check.all_of(&mut *source.open(&args.progs, seed)?)?;
        }
        let grown = Stats::read_if(&check.judge.runner.switch)?.since(&before);
        let enough = check.is_enough(&grown);
        let tally = check.tally;
        good &= enough && tally.bad == 0;
        programs += tally.count();
        refused += tally.refused;
        bad += tally.bad;
        relaxed += tally.relaxed;
        out::json(&json!({ "of": {
            "source": source.name,
            "loaded": tally.loaded,
            "refused": tally.refused,
            "refused_callback": tally.callbacks,
            "refused_slow": tally.slow,
            "bad": tally.bad,
            "relaxed": tally.relaxed,
            "enough": enough,
            "unprivileged": tally.unprivileged,
            "insns": tally.insns,
            "edits": grown.get("edits"),
            "sessions": grown.get("sessions"),
            "refused_jumps": grown.get("fail_erange"),
        }}));
    }
    let grown = runner.grown()?;
    good &= !modes.contains(&Mode::Verify) || grown.is_verified();
    // In that mode alone, nothing else compares.
    good &= modes != [Mode::Verify] || grown.get("verify_loads") > 0;
    out::json(&json!({ "summary": {
        "command": "identical",
        "seed": seed,
        "modes": names(&modes),
        "programs": programs,
        "refused": refused,
        "bad": bad,
        "relaxed": relaxed,
        "edits": grown.get("edits"),
        "sessions": grown.get("sessions"),
        "verify_sessions": grown.get("verify_sessions"),
        "verify_differences": grown.get("verify_differences"),
        "verify_loads": grown.get("verify_loads"),
        "seconds": runner.seconds(),
    }}));
    let names: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
    let mut said = format!(
        "{} programs identical in {}",
        programs - refused,
        names.join(" and ")
    );
    if refused > 0 {
        said += &format!(", {refused} refused");
    }
    if relaxed > 0 {
        said += &format!(", {relaxed} of these load once jumps may be relaxed");
    }
    if modes.contains(&Mode::Verify) {
        said += &format!(
            ", {} sessions as with stock, {} loads judged as a whole",
            grown.get("verify_sessions"),
            grown.get("verify_loads")
        );
    }
    if !good {
        said = format!("{bad} of {programs} programs differ, or too few were there to compare");
    }
    Ok(Verdict::new(good, said))
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
