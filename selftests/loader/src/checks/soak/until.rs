// SPDX-License-Identifier: GPL-2.0

//! Loads the same programs over and over, while something else goes on, like the module coming and going: every
//! load must succeed and give what the first one gave. The mode is not looked at.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::SoakArgs;
use crate::bpf::{self, Detail, Report, Spec};
use crate::checks::runner::{report, Verdict};
use crate::out;
use crate::programs::named;

/// The name of the file that is none.
const STDIN: &str = "-";
/// Most insns of a program: a session is to be open for a while, and mode stock not to take long.
const LONGEST: usize = 1_010;

fn load(spec: &Spec) -> io::Result<Report> {
    let (prog, _) = bpf::load(spec)?;
    report(spec, &prog, Detail::Full)
}

/// Loads programs until `until` appears; true if there was no failure.
///
/// # Errors
///
/// The maps cannot be created, or a program does not load the first time.
pub fn run(args: &SoakArgs, until: &Path) -> io::Result<Verdict> {
    if let Some(group) = &args.group {
        // This process.
        fs::write(group.join("cgroup.procs"), "0")?;
    }
    let sources = args
        .only
        .iter()
        .map(|name| named(name)?.open(&args.progs, args.seed));
    let mut sources = sources.collect::<io::Result<Vec<_>>>()?;
    let mut specs = Vec::new();
    for source in &mut sources {
        let all = 0..source.size().unwrap_or(args.count);
        specs.extend(all.map(|number| source.program(number).spec));
    }
    specs.retain(|spec| spec.insns.len() <= LONGEST);
    let first = specs.iter().map(load).collect::<io::Result<Vec<_>>>()?;
    let (mut loaded, mut failed) = (specs.len(), 0);
    let ended = AtomicBool::new(false);
    let is_over = || match until.as_os_str() == STDIN {
        true => ended.load(Ordering::Relaxed),
        false => until.exists(),
    };
    thread::scope(|scope| {
        if until.as_os_str() == STDIN {
            scope.spawn(|| {
                // What comes is of no interest, but its end.
                let _ = io::stdin().read(&mut [0]);
                ended.store(true, Ordering::Relaxed);
            });
        }
        while !is_over() {
            for (spec, first) in specs.iter().zip(&first) {
                let wrong = match load(spec) {
                    Ok(report) if report == *first => None,
                    Ok(_) => Some("differs from the first load".to_owned()),
                    Err(err) => Some(err.to_string()),
                };
                match wrong {
                    None => loaded += 1,
                    Some(text) => {
                        failed += 1;
                        out::progress(&format!("{}: {text}", spec.name));
                    }
                }
            }
        }
    });
    out::json(&json!({ "summary": { "command": "soak", "loaded": loaded, "failed": failed } }));
    let said = format!("{loaded} programs loaded, {failed} failed");
    Ok(Verdict::new(failed == 0, said))
}
