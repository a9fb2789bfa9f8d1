// SPDX-License-Identifier: GPL-2.0

//! What a trace point costs that is off: with a static branch, with a variable, with a look-up in a map.
//!
//! A program has [`POINTS`] of them, as the kernel reports the time of a run in whole nanoseconds. In a
//! machine that counts executed instructions, one a nanosecond, the times are instructions.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_sys::{
    BPF_FUNC_map_lookup_elem, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_PROG_TYPE_SOCKET_FILTER,
};
use serde_json::json;

use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call, exit, gotol, jmp, ld_map_fd, ld_map_value, ldx, mov, mov_reg, st,
    static_branch as branch, Cond, Insn, Op,
};
use crate::bpf::{self, static_branch, Spec};
use crate::out;

const POINTS: usize = 64;
/// Measurements a program; the best one counts.
const ROUNDS: usize = 9;
/// What a measurement may be off by, for each trace point.
const TOLERANCE: f64 = 0.1;
/// The register that counts the trace points that are on.
const COUNT: u8 = 7;

/// How a program finds out whether a trace point is on.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// There is no trace point.
    None,
    Branch,
    Variable,
    ArrayLookup,
    HashLookup,
}

const WAYS: [(Way, &str); 5] = [
    (Way::None, "none"),
    (Way::Branch, "static branch"),
    (Way::Variable, "global variable"),
    (Way::ArrayLookup, "look-up, array"),
    (Way::HashLookup, "look-up, hash"),
];

/// The trace point, up to the jump to what it does when it is on, whose offset is to be set.
fn point(way: Way, map: i32) -> Vec<Insn> {
    let lookup = || {
        let [low, high] = ld_map_fd(1, map);
        vec![
            st(W, 10, -4, 0),
            mov_reg(2, 10),
            alu_imm(W64, Op::Add, 2, -4),
            low,
            high,
            call(BPF_FUNC_map_lookup_elem),
            jmp(Cond::Eq, 0, 0, 2),
            ldx(W, 0, 0, 0),
            jmp(Cond::Ne, 0, 0, 0),
        ]
    };
    match way {
        Way::None => vec![],
        Way::Branch => vec![branch(true, true, 0)],
        Way::Variable => {
            let [low, high] = ld_map_value(1, map, 0);
            vec![low, high, ldx(W, 1, 1, 0), jmp(Cond::Ne, 1, 0, 0)]
        }
        Way::ArrayLookup | Way::HashLookup => lookup(),
    }
}

/// A program, and where its branches are. What a trace point does is out of line, as compilers put it.
fn program(way: Way, map: i32) -> (Vec<Insn>, Vec<u32>) {
    let point = point(way, map);
    let mut insns = vec![mov(COUNT, 0)];
    let mut jumps = Vec::new();
    for _ in 0..POINTS {
        insns.extend(&point);
        if !point.is_empty() {
            jumps.push(insns.len() - 1);
        }
    }
    insns.extend([mov_reg(0, COUNT), exit()]);
    for &jump in &jumps {
        let off = (insns.len() - jump - 1) as i32;
        match way {
            Way::Branch => insns[jump].imm = off,
            _ => insns[jump].off = off as i16,
        }
        insns.push(alu_imm(W64, Op::Add, COUNT, 1));
        insns.push(gotol(jump as i32 - insns.len() as i32));
    }
    (insns, jumps.iter().map(|&jump| jump as u32).collect())
}

/// The map that a way looks at, with one value of zeros, and the set of its branches.
fn maps(way: Way, branches: &[u32]) -> io::Result<(Option<OwnedFd>, Option<OwnedFd>)> {
    Ok(match way {
        Way::None => (None, None),
        Way::Branch => (None, Some(bpf::create_insn_array(branches)?)),
        Way::Variable | Way::ArrayLookup => {
            (Some(bpf::create_map_of_zero(BPF_MAP_TYPE_ARRAY)?), None)
        }
        Way::HashLookup => (Some(bpf::create_map_of_zero(BPF_MAP_TYPE_HASH)?), None),
    })
}

/// Best time of a run, in nanoseconds, of rounds that return `expected`.
fn best(prog: &OwnedFd, repeat: u32, expected: u32) -> io::Result<u32> {
    let mut best = u32::MAX;
    for _ in 0..ROUNDS {
        let (value, took) = bpf::test_runs(prog.as_fd(), repeat)?;
        if value != expected {
            return Err(io::Error::other(format!(
                "a run returned {value} for {expected}"
            )));
        }
        best = best.min(took);
    }
    Ok(best)
}

/// Prints what each way costs; true if a static branch that is off costs at most `at_most`, as it is loaded
/// and after it was on.
///
/// # Errors
///
/// What is off does something, or what is on does not.
pub fn run(repeat: u32, at_most: Option<f64>) -> io::Result<bool> {
    let mut good = true;
    let mut base = 0;
    for (way, name) in WAYS {
        let branches = program(way, 0).1;
        let (map, set) = maps(way, &branches)?;
        let map = map.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let (insns, _) = program(way, map);
        let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
        spec.bound = set.iter().map(AsRawFd::as_raw_fd).collect();
        let (prog, _) = bpf::load(&spec)?;
        let off = best(&prog, repeat, 0)?;
        if matches!(way, Way::None) {
            base = off;
        }
        let each = |took: u32| (f64::from(took) - f64::from(base)) / POINTS as f64;
        let mut row = json!({
            "way": name, "points": POINTS, "repeat": repeat, "off_ns": off, "off_ns_a_point": each(off),
        });
        if let Some(set) = &set {
            static_branch::switch(set.as_fd(), true)?;
            let on = best(&prog, repeat, POINTS as u32)?;
            row["on_ns"] = on.into();
            row["on_ns_a_point"] = each(on).into();
            static_branch::switch(set.as_fd(), false)?;
            let off_again = best(&prog, repeat, 0)?;
            row["off_again_ns"] = off_again.into();
            if let Some(at_most) = at_most {
                good &= each(off.max(off_again)) <= at_most + TOLERANCE;
            }
        }
        out::json(&json!({ "cost": row }));
    }
    Ok(good)
}
