// SPDX-License-Identifier: GPL-2.0

//! The test suite's check: are the results of both modes identical, and was there rewriting at all?

use std::io;

use serde_json::{json, Map};

use crate::args::IdentityArgs;
use crate::bpf::{Detail, Spec};
use crate::kernel::mode::Switch;
use crate::kernel::stats::Stats;
use crate::kernel::unpriv;
use crate::out;
use crate::suites::measure::{self, Plan};
use crate::suites::{handmade, ladder, programs};

/// Steps of the ladder that take no time.
const LADDER: [usize; 2] = [1_000, 5_000];

/// Runs the command; true when everything that had to be rewritten was, and identically.
///
/// # Errors
///
/// No objects, or see [`measure::run`].
pub fn run(args: &IdentityArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    if args.verify {
        switch.use_verify()?;
    }
    out::json(&json!({ "kernel": switch.kernel() }));
    let before = Stats::read_if(&switch)?;
    let (mut good, mut bad) = (0, 0);
    let mut count = |ok: bool| if ok { good += 1 } else { bad += 1 };

    for n in LADDER {
        count(ladder::row(&mut switch, n, true, 1, args.plant)?);
    }
    let allowed = unpriv::allow()?;
    let maps = handmade::Maps::create()?;
    for spec in handmade::all(&maps) {
        count(hand(&mut switch, &spec, args)?);
    }
    drop(allowed);
    let tally = programs::all(&mut switch, &args.progs, 1, args.plant)?;
    good += tally.good;
    bad += tally.bad;
    let grown = Stats::read_if(&switch)?.since(&before);
    out::json(&json!({ "summary": {
        "command": "identity", "good": good, "bad": bad, "not_loaded": tally.not_loaded,
        "modes": switch.modes().iter().map(|mode| mode.name()).collect::<Vec<_>>(),
        "verify_sessions": grown.get("verify_sessions"),
        "verify_differences": grown.get("verify_differences"),
    }}));
    Ok(bad == 0 && tally.good > 0 && (!args.verify || grown.is_verified()))
}

/// Loads a hand-made program in both modes; all of them must load and be rewritten.
fn hand(switch: &mut Switch, spec: &Spec, args: &IdentityArgs) -> io::Result<bool> {
    let modes = switch.modes();
    let plan = Plan {
        modes,
        rounds: 1,
        detail: Detail::Full,
        twin: None,
        plant: args.plant,
    };
    let row = measure::run(switch, spec, &plan)?;
    let good = row.loaded && row.identical == Some(true) && row.rewritten && !row.missed();
    let mut json = Map::from_iter([("good".to_owned(), json!(good))]);
    json.extend(row.json);
    out::json(&json!({ "hand": json }));
    Ok(good)
}
