// SPDX-License-Identifier: GPL-2.0

//! Loads the same programs over and over, while something else goes on, like the module coming and
//! going: every load must succeed and give what the first one gave.

use std::io;
use std::os::fd::AsFd;

use serde_json::json;

use crate::args::ReloadArgs;
use crate::bpf::{self, Detail, Report, Spec};
use crate::kernel::unpriv;
use crate::out;
use crate::suites::{handmade, ladder};

/// Context loads of the longest program: some sessions are to be open for a while.
const LADDER: usize = 1_000;

/// Runs the command until the file appears; true when there was no failure.
///
/// # Errors
///
/// The maps cannot be created, or a program does not load the first time.
pub fn run(args: &ReloadArgs) -> io::Result<bool> {
    let _allowed = unpriv::allow()?;
    let maps = handmade::Maps::create()?;
    let mut specs = handmade::all(&maps);
    specs.push(ladder::conversions(LADDER));
    let first = specs
        .iter()
        .map(load)
        .collect::<io::Result<Vec<Report>>>()?;
    let (mut loaded, mut failed) = (specs.len(), 0);
    while !args.until.exists() {
        for (spec, first) in specs.iter().zip(&first) {
            match load(spec) {
                Ok(report) if report == *first => loaded += 1,
                Ok(_) => {
                    failed += 1;
                    out::progress(&format!("{}: differs from the first load", spec.name));
                }
                Err(err) => {
                    failed += 1;
                    out::progress(&format!("{}: {err}", spec.name));
                }
            }
        }
    }
    out::json(&json!({ "summary": { "command": "reload", "loaded": loaded, "failed": failed } }));
    Ok(failed == 0)
}

fn load(spec: &Spec) -> io::Result<Report> {
    let (prog, _) = bpf::load(spec)?;
    bpf::report(prog.as_fd(), Detail::Full)
}
