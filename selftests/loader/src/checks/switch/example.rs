// SPDX-License-Identifier: GPL-2.0

//! Programs in C, of `selftests/progs/static_branch`. The sections of branches of `trace_point.bpf.c` become
//! sets, which are switched. Those of `appended.bpf.c` are refused.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use crate::bpf::object::Object;
use crate::bpf::{self, branch_sections, static_branch};
use crate::out;

const NAME: &str = "trace_point";
const APPENDED: &str = "appended";
const REFUSAL: &str = "lists a branch of helper, which is no program";
/// What the program returns with the sets `trace` and `other` off or on.
const EXPECTED: [(bool, bool, u32); 5] = [
    (false, false, 1),
    (true, false, 15),
    (true, true, 47),
    (false, true, 33),
    (false, false, 1),
];

fn path(progs: &Path, name: &str) -> PathBuf {
    progs.join("static_branch").join(format!("{name}.o"))
}

/// True if the programs do what they should.
///
/// # Errors
///
/// An object cannot be loaded, or has other sets.
pub fn run(progs: &Path) -> io::Result<bool> {
    let good = switches(&path(progs, NAME))?;
    Ok(refuses(&path(progs, APPENDED))? && good)
}

/// Is an object refused that has a branch in a function that libbpf puts behind the program?
fn refuses(path: &Path) -> io::Result<bool> {
    let specs = Object::prepare(path)?.programs();
    let said = match branch_sections::read(path, &specs) {
        Ok(_) => "not refused".to_owned(),
        Err(err) => err.to_string(),
    };
    out::progress(&format!("{APPENDED}: {said}"));
    Ok(said.contains(REFUSAL))
}

/// Does the program return what it should?
fn switches(path: &Path) -> io::Result<bool> {
    let object = Object::prepare(path)?;
    let mut specs = object.programs();
    let sets = branch_sections::read(path, &specs)?;
    let spec = specs
        .iter_mut()
        .find(|spec| spec.name == NAME)
        .ok_or_else(|| io::Error::other(format!("{NAME} is not there")))?;
    let set = |name: &str| {
        let insns = sets.get(&(name.to_owned(), NAME.to_owned()));
        let insns = insns.ok_or_else(|| io::Error::other(format!("no set {name}")))?;
        bpf::create_insn_array(insns)
    };
    let (trace, other) = (set("trace")?, set("other")?);
    spec.bound = vec![trace.as_raw_fd(), other.as_raw_fd()];
    let (prog, _) = bpf::load(spec)?;
    let mut good = true;
    for (trace_on, other_on, expected) in EXPECTED {
        static_branch::switch(trace.as_fd(), trace_on)?;
        static_branch::switch(other.as_fd(), other_on)?;
        let value = bpf::test_run(prog.as_fd())?;
        out::progress(&format!(
            "{NAME}: trace {trace_on}, other {other_on}: {value}, expected {expected}"
        ));
        good &= value == expected;
    }
    Ok(good)
}
