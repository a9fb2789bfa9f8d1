// SPDX-License-Identifier: GPL-2.0

//! Do all modes make the same of a program: the same insns, line info and so on, or the same errno? In mode
//! `verify` the kernel compares, too: every session with what its own code does.

mod coverage;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::runner::{differs, names, Draw, Made, ModeName, Runner, Verdict};
use crate::bpf::insn::decode;
use crate::bpf::{self, disasm, Detail};
use crate::kernel::far_jumps::Refused;
use crate::kernel::mode::Mode;
use crate::kernel::patience::Hurry;
use crate::kernel::stats::Stats;
use crate::kernel::unpriv;
use crate::out;
use crate::programs::generator::Case;
use crate::programs::{named, Given, Origin, Random, Source, SOURCES};
use coverage::Coverage;

/// A program that takes longer, in seconds, is reported.
const SLOW: f64 = 2.0;
/// For each random program that is refused, so many have to be accepted.
const ACCEPTED: u64 = 9;
/// What the verifier says of a jump that is too far, and of one that was made longer.
const TOO_FAR: &str = "cannot be patched due to 16-bit range";
const RELAXED: &str = "jump relaxed to 32 bits";

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

/// What a planted difference changes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Plant {
    Xlated,
    LineInfo,
    FuncInfo,
    Edits,
}

impl Plant {
    fn spoil(self, made: &mut Made) {
        let flip_last = |bytes: &mut Vec<u8>| {
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
        };
        let Ok(report) = &mut made.result else {
            return;
        };
        match self {
            Plant::Xlated => report.xlated.iter_mut().for_each(flip_last),
            Plant::LineInfo => flip_last(&mut report.line_info.bytes),
            Plant::FuncInfo => flip_last(&mut report.func_info.bytes),
            Plant::Edits => made.stats = Stats::default(),
        }
    }
}

/// What became of a program.
enum Outcome {
    Loaded,
    /// Refused in each mode, for the same reason.
    Refused,
    /// Given up, as verifying took too long.
    Slow,
    Different(String),
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

/// Is what modes make of a program wrong, although they make the same of it?
fn wrong(given: &Given, all: &[(Mode, Made)]) -> Option<String> {
    if let Some(expected) = given.refused {
        let errno = all[0].1.errno();
        return (errno != Some(expected)).then(|| format!("is not at the edge: {errno:?}"));
    }
    let Ok(report) = &all[0].1.result else {
        let refused = format!("is refused: {}", all[0].1.said());
        return (!given.origin.may_be_refused()).then_some(refused);
    };
    let rewritten = report.insns != given.spec.insns.len();
    let missed = |(mode, made): &(Mode, Made)| {
        rewritten && *mode != Mode::Stock && made.stats.get("edits") == 0
    };
    match given.origin {
        Origin::Random => None,
        origin if origin.is_rewritten() && !rewritten => Some("is not rewritten".to_owned()),
        _ => all
            .iter()
            .any(missed)
            .then(|| "is not rewritten by the patcher".to_owned()),
    }
}

/// Loads programs.
struct Check<'a> {
    runner: &'a mut Runner,
    args: &'a IdenticalArgs,
    modes: Vec<Mode>,
    source: &'static str,
    tally: Tally,
}

impl Check<'_> {
    /// What each mode makes of a program. In stock too if it is refused elsewhere; twice if there is no other mode.
    fn load(&mut self, given: &Given) -> io::Result<Vec<(Mode, Made)>> {
        let mut all: Vec<(Mode, Made)> = Vec::new();
        let modes = match self.modes[..] {
            [Mode::Stock] => vec![Mode::Stock; 2],
            _ => self.modes.clone(),
        };
        let patient = given.origin != Origin::Random;
        for mode in modes {
            // What took no longer than allowed once may just do so the next time.
            let hurry = (!patient && all.is_empty())
                .then(Hurry::start)
                .transpose()?;
            let made = self.runner.load(mode, &given.spec, Detail::Small)?;
            drop(hurry);
            all.push((mode, made));
            let (_, made) = &all[0];
            if !patient && made.errno() == Some(libc::EAGAIN) {
                return Ok(all);
            }
        }
        if all[0].1.result.is_err() && !self.modes.contains(&Mode::Stock) {
            let made = self.runner.load(Mode::Stock, &given.spec, Detail::Small)?;
            all.push((Mode::Stock, made));
        }
        if let (Some(plant), Some((_, made))) = (self.args.plant, all.last_mut()) {
            plant.spoil(made);
        }
        Ok(all)
    }

    /// Is a program that is refused, in all of these modes, refused in the same words? So it has to be if a jump is
    /// too far, and at the edges.
    fn said_alike(&mut self, given: &Given, all: &[(Mode, Made)]) -> io::Result<Option<String>> {
        let too_far = all[0].1.errno() == Some(libc::ENOMEM);
        if !too_far && given.refused.is_none() {
            return Ok(None);
        }
        let mut first = None;
        for (mode, _) in all {
            self.runner.switch.set(*mode)?;
            let said = bpf::refusal(&given.spec);
            let first = first.get_or_insert_with(|| said.clone());
            if *first != said {
                return Ok(Some(format!("{first:?}, and in mode {mode} {said:?}")));
            }
        }
        let said = first.flatten().unwrap_or_default();
        let wrong = given.refused == Some(libc::ENOMEM) && !said.contains(TOO_FAR);
        Ok(wrong.then(|| format!("is refused otherwise: {said}")))
    }

    /// Is a program loaded whose jump is too far, once it may be made longer, and does the log tell?
    fn relaxes(&mut self, given: &Given) -> io::Result<Option<String>> {
        self.runner.switch.set(Mode::Patcher)?;
        if let Err(err) = bpf::load(&given.spec) {
            return Ok(Some(format!("no jump is relaxed: {err}")));
        }
        self.tally.relaxed += 1;
        let told = bpf::full_log(&given.spec).contains(RELAXED);
        Ok((!told).then(|| "the log tells of no relaxed jump".to_owned()))
    }

    fn outcome(&mut self, given: &Given) -> io::Result<(Outcome, Vec<(Mode, Made)>)> {
        // Stock does not make jumps longer.
        let refused = match given.origin {
            Origin::Edge => Some(Refused::now()?),
            _ => None,
        };
        let all = self.load(given)?;
        let slow = given.origin == Origin::Random && all[0].1.errno() == Some(libc::EAGAIN);
        if slow {
            return Ok((Outcome::Slow, all));
        }
        let (first, others) = all.split_first().expect("there is a mode");
        let between = others.iter().find_map(|(mode, made)| {
            let how = differs(&given.spec, &first.1, made)?;
            Some(format!("{} and {mode}: {how}", first.0))
        });
        let sessions: u64 = all
            .iter()
            .map(|(_, made)| made.stats.get("verify_differences"))
            .sum();
        let of_kernel = (sessions > 0).then(|| format!("{sessions} sessions differ"));
        let mut text = between.or(of_kernel).or_else(|| wrong(given, &all));
        let loads = first.1.result.is_ok();
        if text.is_none() && !loads {
            text = self.said_alike(given, &all)?;
        }
        drop(refused);
        let may_relax = given.refused == Some(libc::ENOMEM) && self.runner.switch.has_patcher();
        if text.is_none() && may_relax {
            text = self.relaxes(given)?;
        }
        let outcome = match text {
            Some(text) => Outcome::Different(text),
            None if loads => Outcome::Loaded,
            None => Outcome::Refused,
        };
        Ok((outcome, all))
    }

    /// Loads a program, and counts what became of it. Tells at once what is wrong, as a difference in mode verify may
    /// bring the kernel down.
    fn program(&mut self, given: &Given, number: u64, case: Option<&Case>) -> io::Result<()> {
        let (outcome, all) = self.outcome(given)?;
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
        let _allowed = unpriv::allow()?;
        // Programs that ask what is allowed are loaded in a mode, too.
        self.runner.switch.set(Mode::Stock)?;
        let mut random = Random::new(seed)?;
        let draw = &self.args.draw;
        for number in draw.numbers() {
            if draw.is_over(self.runner) {
                break;
            }
            let case = random.case(number);
            if draw.prints() {
                describe(&case);
            }
            self.tally.coverage.given(&case);
            let began = self.runner.seconds();
            let given = Given::new(Origin::Random, case.spec.clone());
            self.program(&given, number, Some(&case))?;
            let took = self.runner.seconds() - began;
            if took > SLOW {
                let insns = given.spec.insns.len();
                out::progress(&format!("case {number}: {insns} insns took {took:.1} s"));
            }
            let tally = &self.tally;
            draw.progress(number + 1, self.runner, || {
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
        let rewritten = grown.get("edits") > 0 || !self.runner.switch.has_patcher();
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
            runner: &mut runner,
            args,
            modes: modes.clone(),
            source: source.name,
            tally: Tally::default(),
        };
        if source.name == "random" {
            check.random(seed)?;
        } else {
            check.all_of(&mut *source.open(&args.progs, seed)?)?;
        }
        let grown = Stats::read_if(&check.runner.switch)?.since(&before);
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
