// SPDX-License-Identifier: GPL-2.0

//! A program in C, `selftests/progs/static_branch/trace_point.bpf.c`: its sections of branches become
//! sets, which are switched.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use crate::bpf::object::Object;
use crate::bpf::{self, branch_sections, static_branch};
use crate::out;

const NAME: &str = "trace_point";
/// What the program returns with the sets `trace` and `other` off or on.
const EXPECTED: [(bool, bool, u32); 5] = [
    (false, false, 1),
    (true, false, 15),
    (true, true, 47),
    (false, true, 33),
    (false, false, 1),
];

/// True if the program returns what it should.
///
/// # Errors
///
/// The object cannot be loaded, or has other sets.
pub fn run(progs: &Path) -> io::Result<bool> {
    let path = progs.join("static_branch").join(format!("{NAME}.o"));
    let sets = branch_sections::read(&path)?;
    let object = Object::prepare(&path)?;
    let mut specs = object.programs();
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
