// SPDX-License-Identifier: GPL-2.0

//! Does the patcher help somebody's own programs? Loads those of objects and classic filters in stock and in another
//! mode, and says what rewriting takes of each load, in a table and one sentence.

mod filter;
mod said;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::measure::row::{Plan, Row};
use super::runner::{ModeName, Runner, Verdict};
use crate::bpf;
use crate::bpf::object::Object;
use crate::kernel::mode::Mode;
use crate::kernel::sysctl::harden;
use crate::out;
use said::Tried;

/// Last lines of the verifier's log that are shown of a program that does not load.
const LAST_LINES: usize = 3;

#[derive(Args)]
pub struct TryArgs {
    /// BPF objects, files of `struct sock_filter`, or folders of these
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only programs of this name
    #[arg(long)]
    prog: Option<String>,
    /// Load with `net.core.bpf_jit_harden` as this [default: as the kernel has it]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    harden: Option<u8>,
    /// The mode beside stock. In mode verify, the kernel compares each session
    #[arg(long, default_value = "patcher")]
    mode: ModeName,
    /// Loads of each program in each mode
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write the table as comma-separated values, too
    #[arg(long)]
    csv: Option<PathBuf>,
}

/// The files of a path: itself, or those of a folder, by name.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let complain =
        |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    if !path.is_dir() {
        path.metadata().map_err(complain)?;
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().map_err(complain)?;
    let paths = entries.map(|entry| Ok(entry.map_err(complain)?.path()));
    let mut files: Vec<_> = paths.collect::<io::Result<_>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    if files.is_empty() {
        return Err(complain(io::Error::other("no files")));
    }
    Ok(files)
}

/// Loads programs of one file.
struct Trial<'a> {
    args: &'a TryArgs,
    runner: &'a mut Runner,
    modes: [Mode; 2],
    tried: Vec<Tried>,
}

impl Trial<'_> {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(filter) = filter::read(path)? {
            if self.args.prog.is_none() {
                let _harden = self.args.harden.map(harden).transpose()?;
                let tried = filter::load(&filter, &file, self.runner, self.modes, self.args.rounds);
                self.tell(tried?);
            }
            return Ok(());
        }
        let object = match Object::prepare(path) {
            Ok(object) => object,
            Err(err) => {
                self.tell(Tried::refused(&file, "-", format!("libbpf: {err}")));
                return Ok(());
            }
        };
        let programs = object.programs();
        if programs.is_empty() {
            self.tell(Tried::refused(
                &file,
                "-",
                "there is no program in it".to_owned(),
            ));
        }
        for mut spec in programs {
            if self
                .args
                .prog
                .as_ref()
                .is_some_and(|prog| *prog != spec.name)
            {
                continue;
            }
            spec.harden = self.args.harden;
            let plan = Plan {
                spec: &spec,
                twin: None,
                modes: &self.modes,
                rounds: self.args.rounds.max(1),
            };
            let row = Row::measure(self.runner, &plan)?;
            let refused = row.refused().next();
            let tried = match refused {
                Some((mode, err, reason)) => {
                    let log = bpf::log(&spec);
                    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("processed ");
                    let last: Vec<_> = log.lines().filter(is_said).collect();
                    let last = &last[last.len().saturating_sub(LAST_LINES)..];
                    let reason = reason.unwrap_or_default();
                    let why = format!("mode {mode}: {err}: {reason}\n{}", last.join("\n"));
                    // An insn array serves one load, so that a later one finds it busy.
                    let busy = row
                        .refused()
                        .any(|(_, err, _)| err.raw_os_error() == Some(libc::EBUSY));
                    let same = row.is_refused() || row.too_far() || busy;
                    Tried::refused(&file, &spec.name, why).if_one_sided(!same)
                }
                None => Tried::of_row(&file, &spec, &row),
            };
            let mut json = row.json(&plan);
            json.insert("object".to_owned(), json!(file));
            out::json(&json!({ "program": json }));
            self.tell(tried);
        }
        Ok(())
    }

    fn tell(&mut self, tried: Tried) {
        out::progress(&tried.line());
        self.tried.push(tried);
    }
}

/// Runs the command; true if some program loads, and what loads is the same in both modes.
///
/// # Errors
///
/// A path that is not there, no patcher, no such program.
pub fn run(args: &TryArgs) -> io::Result<Verdict> {
    let paths = args.paths.iter().map(|path| files(path));
    let paths = paths.collect::<io::Result<Vec<_>>>()?.concat();
    let mut runner = Runner::of_patcher()?;
    let mut trial = Trial {
        args,
        modes: [Mode::Stock, args.mode.into()],
        runner: &mut runner,
        tried: Vec::new(),
    };
    out::progress(&said::head(trial.modes[1]));
    for path in &paths {
        trial.file(path)?;
    }
    let tried = trial.tried;
    if let Some(prog) = args.prog.as_ref().filter(|_| tried.is_empty()) {
        return Err(io::Error::other(format!("there is no program '{prog}'")));
    }
    if let Some(csv) = &args.csv {
        std::fs::write(csv, said::csv(&tried))?;
    }
    for refused in tried.iter().filter_map(Tried::why) {
        out::progress(&refused);
    }
    let grown = runner.grown()?;
    let verified = args.mode != ModeName::Verify
        || grown.get("verify_differences") + grown.get("verify_load_faults") == 0;
    let good = verified && tried.iter().all(Tried::is_same) && tried.iter().any(Tried::loads);
    let said = said::conclusion(&tried, verified);
    out::progress(&said);
    Ok(Verdict::new(good, said))
}
