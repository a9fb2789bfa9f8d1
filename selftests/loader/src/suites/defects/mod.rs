// SPDX-License-Identifier: GPL-2.0

//! Programs that an unpatched kernel gets wrong, as Documentation/stock-defects.md reports them.
//! Each is loaded in every mode, and what came out is looked at.
//!
//! They show the wrong result and do nothing with it.

mod fail;
mod jumps;
mod probe;
mod rollback;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use serde_json::json;

use crate::args::{DefectArgs, Expect};
use crate::bpf::btf::Btf;
use crate::bpf::insn::{decode, Insn};
use crate::bpf::{self, Detail, Spec};
use crate::kernel::mode::Switch;
use crate::kernel::sysctl::{has_jit, Setting};
use crate::kernel::unpriv;
use crate::out;

/// What became of a program.
pub enum Outcome {
    Loaded {
        insns: Vec<Insn>,
        /// The instructions that line info is about.
        lines: Vec<u32>,
    },
    /// With the reason that the verifier gives.
    Refused(i32, String),
}

pub struct Defect {
    name: &'static str,
    spec: Spec,
    /// What it returns when it is run; only what is right is run.
    returns: Option<u32>,
    /// Why this kernel, which makes this of it, cannot show the defect.
    absent: fn(&Outcome) -> Option<&'static str>,
    /// Is the outcome what it has to be?
    right: fn(&Outcome) -> bool,
}

fn spec(kind: u32, name: &str, insns: Vec<Insn>) -> Spec {
    Spec {
        name: name.to_owned(),
        kind,
        insns,
        ..Spec::default()
    }
}

fn load(spec: &Spec) -> io::Result<(Outcome, Option<OwnedFd>)> {
    match bpf::load(spec) {
        Ok((prog, _)) => Ok((outcome_of(&prog)?, Some(prog))),
        Err(err) => {
            let reason = bpf::refusal(spec).unwrap_or_default();
            let errno = err.raw_os_error().unwrap_or_default();
            Ok((Outcome::Refused(errno, reason), None))
        }
    }
}

fn outcome_of(prog: &OwnedFd) -> io::Result<Outcome> {
    let report = bpf::report(prog.as_fd(), Detail::Full)?;
    let lines = report.line_info.bytes.chunks(report.line_info.size.max(1));
    let first = |line: &[u8]| line.first_chunk().copied().map(u32::from_ne_bytes);
    Ok(Outcome::Loaded {
        insns: decode(&report.xlated.unwrap_or_default()),
        lines: lines.filter_map(first).collect(),
    })
}

/// What a program that came out like this says about it.
fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Loaded { insns, lines } => {
            let lines = match &lines[..] {
                [] => String::new(),
                lines => format!(", lines of insns {lines:?}"),
            };
            format!("loads as {} insns{lines}", insns.len())
        }
        Outcome::Refused(errno, reason) => format!("refused with {errno}: {reason}"),
    }
}

/// The command: where programs are loaded, and what has come of them.
struct Show<'a> {
    switch: Switch,
    args: &'a DefectArgs,
    shows: usize,
    right: usize,
}

impl Show<'_> {
    fn wants(&self, name: &str) -> bool {
        self.args.only.is_empty() || self.args.only.iter().any(|only| only == name)
    }

    fn not_here(name: &str, reason: &str) {
        out::progress(&format!("defect {name}: not here: {reason}"));
    }

    /// Loads a program with `load` in every mode, and prints what came of it.
    fn show(
        &mut self,
        defect: &Defect,
        mut load: impl FnMut(&Spec) -> io::Result<(Outcome, Option<OwnedFd>)>,
    ) -> io::Result<()> {
        if !self.wants(defect.name) {
            return Ok(());
        }
        for &mode in self.switch.all_modes() {
            self.switch.set(mode)?;
            let (outcome, prog) = load(&defect.spec)?;
            if let Some(reason) = (defect.absent)(&outcome) {
                Self::not_here(defect.name, reason);
                return Ok(());
            }
            let mut right = (defect.right)(&outcome);
            let mut what = describe(&outcome);
            if let (true, Some(prog), Some(expected)) = (right, prog, defect.returns) {
                let returned = bpf::test_run(prog.as_fd())?;
                right = returned == expected;
                what += &format!(", returns {returned}");
            }
            let mode = match self.switch.has_patcher() {
                true => mode.name(),
                false => "unpatched",
            };
            let verdict = if right { "right" } else { "shows" };
            out::progress(&format!(
                "defect {}: {verdict} ({mode}): {what}",
                defect.name
            ));
            out::json(&json!({ "defect": {
                "name": defect.name, "mode": mode, "right": right, "outcome": what,
            }}));
            match right {
                true => self.right += 1,
                false => self.shows += 1,
            }
        }
        Ok(())
    }

    /// The two programs for which a JIT has to give up.
    fn rollbacks(&mut self, btf: &Btf) -> io::Result<()> {
        let (one, several) = (
            rollback::blinding_rollback(btf),
            rollback::blinding_rollback_of_functions(btf),
        );
        if !has_jit() {
            Self::not_here(one.name, "this kernel has no JIT");
            Self::not_here(several.name, "this kernel has no JIT");
            return Ok(());
        }
        {
            // Blinds the programs of ordinary users, and lets the JIT have no memory for them.
            let _harden = Setting::set("net/core/bpf_jit_harden", "1")?;
            let _limit = Setting::set("net/core/bpf_jit_limit", "1")?;
            self.show(&one, load)?;
        }
        let _harden = Setting::set("net/core/bpf_jit_harden", "2")?;
        match fail::Allocations::open() {
            Ok(failing) => self.show(&several, |spec| {
                failing.load_without_jit(spec, several.right)
            }),
            Err(err) => {
                Self::not_here(several.name, &format!("no fault injection ({err})"));
                Ok(())
            }
        }
    }
}

/// Runs the command; true when all that can be seen on this kernel is as expected.
///
/// # Errors
///
/// A mode that cannot be set, or a program that cannot be asked about.
pub fn run(args: &DefectArgs) -> io::Result<bool> {
    let switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let allowed = unpriv::allow()?;
    let btf = Btf::load()?;
    let mut show = Show {
        switch,
        args,
        shows: 0,
        right: 0,
    };
    for defect in [
        jumps::backward_call(),
        jumps::backward_jump_behind_barrier(),
        jumps::far_may_goto(),
    ] {
        show.show(&defect, load)?;
    }
    match jumps::gotox_off() {
        Some(defect) => show.show(&defect, jumps::load_with_insn_array)?,
        None => Show::not_here("gotox_off", "this kernel has no JIT"),
    }
    show.rollbacks(&btf)?;

    // It may take an unfixed kernel down: only on one that is said to be right, or by name.
    if args.expect == Expect::Right || !args.only.is_empty() {
        match probe::probe_behind_the_end() {
            Some(defect) => show.show(&defect, load)?,
            None => Show::not_here(
                "probe_behind_the_end",
                "this kernel has no JIT, or no type information",
            ),
        }
    }
    drop(allowed);

    let (shows, right) = (show.shows, show.right);
    out::json(&json!({ "summary": { "command": "defects", "shows": shows, "right": right } }));
    Ok(match args.expect {
        Expect::Shows => shows > 0 && right == 0,
        Expect::Right => right > 0 && shows == 0,
        Expect::Any => shows + right > 0,
    })
}
