// SPDX-License-Identifier: GPL-2.0

//! What the kernel reports for every program, for comparing two kernels with
//! `scripts/report/loader_report.py compare`.
//!
//! Loads in stock mode, so on a patched kernel this shows that the stock path is still today's.

use std::io;
use std::os::fd::AsFd;

use serde_json::{json, Value};

use crate::args::DumpArgs;
use crate::bpf::insn::Insn;
use crate::bpf::object::{files, Object};
use crate::bpf::{self, Detail, Spec};
use crate::compare::hex;
use crate::compare::normalise::{for_any_kernel, Symbols};
use crate::kernel::mode::{Mode, Switch};
use crate::out;

/// Runs the command; true when at least one program was dumped.
///
/// # Errors
///
/// No objects, or one that cannot be prepared.
pub fn run(args: &DumpArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    switch.set(Mode::Stock)?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let symbols = Symbols::read();
    let (mut dumped, mut not_loaded) = (0, 0);
    for path in files(&args.progs)? {
        let file = path.file_stem().unwrap_or_default().to_string_lossy();
        let object = Object::prepare(&path)
            .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))?;
        for spec in object.programs() {
            let result = one(&spec, &symbols);
            match result {
                Ok(_) => dumped += 1,
                Err(_) => not_loaded += 1,
            }
            let result = result.unwrap_or_else(
                |err| json!({ "errno": err.raw_os_error(), "text": err.to_string() }),
            );
            out::json(&json!({ "dump": { "object": file, "name": spec.name, "result": result } }));
        }
    }
    out::json(&json!({ "summary": {
        "command": "dump", "dumped": dumped, "not_loaded": not_loaded,
    }}));
    Ok(dumped > 0)
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
