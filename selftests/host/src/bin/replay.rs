// SPDX-License-Identifier: GPL-2.0

//! replay FILE...: does the cases of these files, or of all files in these directories.
//! replay --random FROM TO: does random cases of these numbers.
//!
//! Each that differs is named; the last line is the summary.

use host::{check, random_bytes, Tally};
use std::{env, fs, io, panic, path::Path, process::ExitCode};

#[derive(Default)]
struct Replay {
    cases: u64,
    tally: Tally,
    differ: u64,
}

impl Replay {
    fn case(&mut self, name: &str, bytes: &[u8]) {
        self.cases += 1;
        match panic::catch_unwind(|| check(bytes)) {
            Ok(tally) => self.tally += tally,
            Err(_) => {
                println!("differs: {name}");
                self.differ += 1;
            }
        }
    }

    fn path(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.path(&entry?.path())?;
            }
            return Ok(());
        }
        self.case(&path.display().to_string(), &fs::read(path)?);
        Ok(())
    }
}

fn random(replay: &mut Replay, range: &[String]) -> Result<(), String> {
    let number = |i: usize| range.get(i).and_then(|n| n.parse().ok());
    let (Some(from), Some(to)) = (number(0), number(1)) else {
        return Err("usage: replay FILE... | --random FROM TO".into());
    };
    for seed in from..to {
        replay.case(&format!("random case {seed}"), &random_bytes(seed));
    }
    Ok(())
}

fn all(replay: &mut Replay, args: &[String]) -> Result<(), String> {
    if args.first().is_some_and(|a| a == "--random") {
        return random(replay, &args[1..]);
    }
    for arg in args {
        replay
            .path(Path::new(arg))
            .map_err(|e| format!("{arg}: {e}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let mut replay = Replay::default();
    if let Err(error) = all(&mut replay, &args) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let (cases, t) = (replay.cases, replay.tally);
    println!(
        "{cases} cases, {} sessions, {} edits, {} edits refused, {} sessions refused for a jump, {} cases differ",
        t.sessions, t.edits, t.invalid, t.too_far, replay.differ
    );
    match replay.differ {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
