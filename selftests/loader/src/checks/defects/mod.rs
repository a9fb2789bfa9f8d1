// SPDX-License-Identifier: GPL-2.0

//! Programs that stock patches wrong, as Documentation/stock-defects.md describes them, and some that the
//! patcher did, which stock refuses.
//!
//! Each defect loads its program in every mode of the patcher and looks at what came out. The
//! programs show a wrong result and do nothing with it.

mod aim;
mod barrier;
mod calls;
mod far_may_goto;
mod gotox;
mod loops;
mod outcome;
mod probe;
mod rollback;
mod targets;

use std::io;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::runner::{Runner, Verdict as Said};
use crate::kernel::mode::Switch;
use crate::out;
use outcome::{Finding, Verdict};

#[derive(Args)]
pub struct DefectArgs {
    /// What has to come of them
    #[arg(long)]
    expect: Expect,
    /// Only these, by name
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expect {
    /// An unpatched kernel: each shows. The one that may take it down is left out
    Shows,
    /// A patched kernel: each is right in every mode
    Right,
    /// Either
    Any,
}

/// A defect of stock, or one that the patcher had.
struct Defect {
    name: &'static str,
    /// An unfixed kernel may go down.
    dangerous: bool,
    /// An unpatched kernel is right.
    of_patcher: bool,
    /// Loads the program, in the mode that is set, and judges the result.
    look: fn() -> io::Result<Finding>,
}

const fn defect(name: &'static str, look: fn() -> io::Result<Finding>) -> Defect {
    Defect {
        name,
        dangerous: false,
        of_patcher: false,
        look,
    }
}

const fn of_patcher(name: &'static str, look: fn() -> io::Result<Finding>) -> Defect {
    Defect {
        of_patcher: true,
        ..defect(name, look)
    }
}

const DEFECTS: [Defect; 17] = [
    defect("backward_call", calls::look),
    defect("backward_jump_behind_barrier", barrier::leads_back),
    defect("far_may_goto", far_may_goto::look),
    defect("gotox_off", gotox::look),
    Defect {
        dangerous: true,
        ..defect("probe_behind_the_end", probe::look)
    },
    defect("blinding_rollback", rollback::one_function),
    defect("blinding_rollback_of_functions", rollback::two_functions),
    defect("barrier_of_bpf_loop", loops::barrier_of_call),
    defect("barrier_of_a_nop", barrier::becomes_nop),
    defect("gotox_to_slots", targets::to_slots),
    defect("gotox_to_prologue", targets::to_prologue),
    defect("gotox_to_nop", targets::to_nop),
    of_patcher("far_jump_out_of_program", loops::out_of_program),
    of_patcher("far_jump_into_other_code", loops::into_other_code),
    of_patcher("far_jump_inside_function", loops::inside_function),
    of_patcher("far_jump_on_set_bit", loops::jset),
    of_patcher("far_jump_behind_barrier", loops::barrier_of_jump),
];

/// Numbers of findings: a defect has one in each mode.
#[derive(Default)]
struct Tally {
    shows: usize,
    right: usize,
    /// Neither the result of stock nor the right one.
    unclear: usize,
    /// Defects that this kernel cannot show.
    not_here: usize,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Shows => self.shows += 1,
            Verdict::Right => self.right += 1,
            Verdict::Unclear => self.unclear += 1,
        }
    }

    fn meets(&self, expect: Expect) -> bool {
        let found = self.shows + self.right + self.unclear;
        let expected = match expect {
            Expect::Shows => self.shows,
            Expect::Right => self.right,
            Expect::Any => found,
        };
        expected == found && found > 0
    }
}

/// Looks at a defect in every mode of this kernel.
fn look_at(switch: &mut Switch, defect: &Defect, tally: &mut Tally) -> io::Result<()> {
    let mut missing = None;
    for &mode in switch.all_modes() {
        switch.set(mode)?;
        let mode = if switch.has_patcher() {
            mode.name()
        } else {
            "unpatched"
        };
        let (verdict, what) = match (defect.look)()? {
            Finding::NotHere(reason) => {
                // The others all the same: mode verify judges what is refused only in the end.
                missing = Some(reason);
                continue;
            }
            Finding::Seen(verdict, what) => (verdict, what),
        };
        tally.add(verdict);
        let name = defect.name;
        out::progress(&format!(
            "defect {name}: {} ({mode}): {what}",
            verdict.name()
        ));
        out::json(&json!({ "defect": {
            "name": name, "mode": mode, "verdict": verdict.name(), "outcome": what,
        }}));
    }
    if let Some(reason) = missing {
        not_here(defect, &reason, tally);
    }
    Ok(())
}

fn not_here(defect: &Defect, reason: &str, tally: &mut Tally) {
    tally.not_here += 1;
    out::progress(&format!("defect {}: not here: {reason}", defect.name));
}

/// Runs the command; true when every finding is as expected, and there is one.
///
/// # Errors
///
/// An unknown name of a defect, a mode that cannot be set, or a program that cannot be asked about.
pub fn run(args: &DefectArgs) -> io::Result<Said> {
    let unknown = |name: &&String| DEFECTS.iter().all(|defect| defect.name != **name);
    if let Some(name) = args.only.iter().find(unknown) {
        return Err(io::Error::other(format!("there is no defect '{name}'")));
    }
    let mut runner = Runner::open()?;
    let mut tally = Tally::default();
    for defect in &DEFECTS {
        let named = args.only.iter().any(|name| name == defect.name);
        if !args.only.is_empty() && !named {
            continue;
        }
        if defect.dangerous && !named && args.expect != Expect::Right {
            let reason = "an unfixed kernel may go down, so --only has to name it";
            not_here(defect, reason, &mut tally);
            continue;
        }
        if defect.of_patcher && args.expect == Expect::Shows {
            not_here(defect, "stock does not have it", &mut tally);
            continue;
        }
        look_at(&mut runner.switch, defect, &mut tally)?;
    }
    out::json(&json!({ "summary": {
        "command": "defects", "shows": tally.shows, "right": tally.right,
        "unclear": tally.unclear, "not_here": tally.not_here,
    }}));
    let said = format!(
        "{} times right, {} times as in an unpatched kernel, {} times unclear",
        tally.right, tally.shows, tally.unclear
    );
    Ok(Said::new(tally.meets(args.expect), said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations() {
        let met = |shows, right, unclear| {
            let tally = Tally {
                shows,
                right,
                unclear,
                not_here: 1,
            };
            [Expect::Shows, Expect::Right, Expect::Any].map(|expect| tally.meets(expect))
        };
        assert_eq!(met(0, 0, 0), [false, false, false]);
        assert_eq!(met(2, 0, 0), [true, false, true]);
        assert_eq!(met(0, 2, 0), [false, true, true]);
        assert_eq!(met(1, 1, 0), [false, false, true]);
        assert_eq!(met(1, 0, 1), [false, false, true]);
    }
}
