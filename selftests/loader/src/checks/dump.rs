// SPDX-License-Identifier: GPL-2.0

//! What the kernel reports for every program, for comparing two kernels with
//! `scripts/report/loader_report.py compare`.
//!
//! Loads in stock mode, so on a patched kernel this shows that the stock path is still today's.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Value};

use super::runner::{Runner, Verdict};
use crate::bpf::insn::Insn;
use crate::bpf::{self, Detail, Spec};
use crate::compare::hex;
use crate::compare::normalise::{for_any_kernel, Symbols};
use crate::kernel::mode::Mode;
use crate::out;
use crate::programs::{objects, Source};

#[derive(Args)]
pub struct DumpArgs {
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    progs: PathBuf,
}

/// Runs the command; true when at least one program was dumped.
///
/// # Errors
///
/// No objects, or one that cannot be prepared.
pub fn run(args: &DumpArgs) -> io::Result<Verdict> {
    let mut runner = Runner::open()?;
    runner.switch.set(Mode::Stock)?;
    let symbols = Symbols::read();
    let (mut dumped, mut not_loaded) = (0, 0);
    let mut source = objects::source(&args.progs)?;
    for number in 0..source.size().unwrap_or(0) {
        let given = source.program(number);
        let result = one(&given.spec, &symbols);
        match result {
            Ok(_) => dumped += 1,
            Err(_) => not_loaded += 1,
        }
        let result = result
            .unwrap_or_else(|err| json!({ "errno": err.raw_os_error(), "text": err.to_string() }));
        let (object, name) = (given.object, given.spec.name);
        out::json(&json!({ "dump": { "object": object, "name": name, "result": result } }));
    }
    out::json(&json!({ "summary": {
        "command": "dump", "dumped": dumped, "not_loaded": not_loaded,
    }}));
    let said = format!("{dumped} programs dumped, {not_loaded} refused");
    Ok(Verdict::new(dumped > 0, said))
}

fn one(spec: &Spec, symbols: &Symbols) -> io::Result<Value> {
    let (prog, _) = bpf::load(spec)?;
    let report = bpf::report(prog.as_fd(), Detail::Full)?;
    let xlated = report.xlated.unwrap_or_default();
    let (insns, calls) = for_any_kernel(&spec.insns, &xlated, symbols);
    let insns: Vec<u8> = insns.into_iter().flat_map(Insn::bytes).collect();
    // The tag of the whole program is of the instructions as handed in; those of its functions are
    // hashes over helper addresses, which differ between kernels.
    Ok(json!({
        "kind": spec.kind,
        "insns_before": spec.insns.len(),
        "insns_after": report.insns,
        "verified_insns": report.verified_insns,
        "tag": hex(&report.tags[0]),
        "xlated": hex(&insns),
        "calls": calls,
        "line_info": hex(&report.line_info.bytes),
        "func_info": hex(&report.func_info.bytes),
    }))
}
