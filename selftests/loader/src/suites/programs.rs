// SPDX-License-Identifier: GPL-2.0

//! Real programs: every entry program of every object, the same relocated instructions and the
//! same maps in both modes.

use std::io;
use std::path::Path;

use serde_json::{json, Map};

use crate::args::{Plant, ProgramArgs};
use crate::bpf::object::{files, Object};
use crate::bpf::Detail;
use crate::kernel::mode::Switch;
use crate::out;
use crate::suites::measure::{self, Plan};

/// Objects of ours start like this.
const OWN_PREFIX: &str = "own_";

/// Is it an object of ours? Every program in it must load.
pub fn is_own(path: &Path) -> bool {
    path.file_stem()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(OWN_PREFIX.as_bytes()))
}

/// What became of the programs of a directory.
#[derive(Default)]
pub struct Tally {
    pub good: usize,
    pub bad: usize,
    /// Refused in every mode: nothing to compare, but listed.
    pub not_loaded: usize,
}

/// Runs the command; true when programs were compared and none was bad.
///
/// # Errors
///
/// No objects, or see [`measure::run`].
pub fn run(args: &ProgramArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let tally = all(&mut switch, &args.progs, args.rounds.max(1), None)?;
    out::json(&json!({ "summary": {
        "command": "programs", "good": tally.good, "bad": tally.bad,
        "not_loaded": tally.not_loaded,
    }}));
    Ok(tally.bad == 0 && tally.good > 0)
}

/// Measures all programs of a directory, printing a row for each.
///
/// # Errors
///
/// No objects, or see [`measure::run`].
pub fn all(
    switch: &mut Switch,
    dir: &Path,
    rounds: usize,
    plant: Option<Plant>,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for path in files(dir)? {
        one(switch, &path, rounds, plant, &mut tally)?;
    }
    Ok(tally)
}

fn one(
    switch: &mut Switch,
    path: &Path,
    rounds: usize,
    plant: Option<Plant>,
    tally: &mut Tally,
) -> io::Result<()> {
    let file = path.file_stem().unwrap_or_default().to_string_lossy();
    let object = match Object::prepare(path) {
        Ok(object) => object,
        Err(err) => {
            // The set of objects is ours: one that cannot even be prepared is a mistake in it.
            tally.bad += 1;
            out::json(&json!({ "program": {
                "object": file, "loaded": false, "good": false,
                "errors": [{ "mode": null, "errno": err.raw_os_error(), "text": err.to_string() }],
            }}));
            return Ok(());
        }
    };
    for spec in object.programs() {
        let modes = switch.modes();
        let plan = Plan {
            modes,
            rounds,
            detail: Detail::Full,
            twin: None,
            plant,
        };
        let row = measure::run(switch, &spec, &plan)?;
        let good = row.loaded && row.identical == Some(true) && !row.missed();
        let refused = !row.loaded && !row.uneven;
        if good {
            tally.good += 1;
        } else if refused && !is_own(path) {
            tally.not_loaded += 1;
        } else {
            tally.bad += 1;
        }
        let mut json = Map::from_iter([
            ("object".to_owned(), json!(file)),
            ("kind".to_owned(), json!(spec.kind)),
            ("good".to_owned(), json!(good)),
        ]);
        json.extend(row.json);
        out::json(&json!({ "program": json }));
    }
    Ok(())
}
