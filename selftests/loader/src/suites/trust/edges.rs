// SPDX-License-Identifier: GPL-2.0

//! Programs at the edge of what the kernel takes, just within it and just outside: each mode gives the same
//! program, or the same errno in the same words. Jumps are not made longer here, as stock does not.

use std::io;
use std::os::fd::AsFd;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;
use serde_json::json;

use crate::bpf::btf::{Btf, FUNCTIONS, LINES};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, call_rel, exit, gotol, ja, jmp, ldx, may_goto, mov, mov_reg, Cond,
    Insn, Op,
};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::{self, Detail, Report, Spec, SMALL};
use crate::compare::difference;
use crate::kernel::far_jumps::Refused;
use crate::kernel::mode::Switch;
use crate::kernel::stats::Stats;
use crate::kernel::unpriv;
use crate::out;
use crate::suites::limits;

/// Most insns of a program, which is also how many the verifier looks at; of an ordinary user's program;
/// and most subprogs.
const LONGEST: usize = 1_000_000;
const LONGEST_UNPRIVILEGED: usize = 4_096;
const SUBPROGS: usize = 256;
/// Edits: more than the kernel's own functions are left, and so few that stock is quick. Of a long program
/// it moves 100 MB for each.
const EDITS: usize = 1_000;
const EDITS_OF_LONG: usize = 4;
/// Insns that a load of [`IFINDEX`] adds.
const ADDED: usize = 2;
/// Most insns that a jump of 16 bits leads ahead, and back.
const FORWARD: usize = i16::MAX as usize;
const BACKWARD: usize = FORWARD + 1;

/// A load that becomes three insns.
const GROWS: Insn = Insn::new(0x61, 0, 1, IFINDEX, 0);

/// What stock makes of a program.
enum Fits {
    Yes,
    /// No, and so it says.
    No(i32),
}

/// A program, and whether it is within the limit: otherwise it shows nothing.
struct Edge {
    spec: Spec,
    fits: Fits,
}

fn within(name: &str, insns: Vec<Insn>) -> Edge {
    Edge {
        spec: Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns),
        fits: Fits::Yes,
    }
}

fn outside(name: &str, errno: i32, insns: Vec<Insn>) -> Edge {
    Edge {
        fits: Fits::No(errno),
        ..within(name, insns)
    }
}

/// A program of `len` insns, of which `edits + 1` grow.
pub fn few(name: &str, len: usize, edits: usize) -> Spec {
    within(name, long(len, edits)).spec
}

/// `len` insns: the first one, and `edits` in front of the end, grow.
fn long(len: usize, edits: usize) -> Vec<Insn> {
    let mut insns = vec![GROWS];
    insns.resize(len - edits - 1, mov(0, 0));
    insns.resize(len - 1, GROWS);
    insns.push(exit());
    insns
}

/// The same for an ordinary user.
fn unprivileged(edge: Edge) -> Edge {
    Edge {
        spec: Spec {
            unprivileged: true,
            ..edge.spec
        },
        ..edge
    }
}

/// A program that calls `functions` others, each of which grows.
fn calls(functions: usize) -> Vec<Insn> {
    let mut insns = vec![mov_reg(6, 1)];
    for k in 0..functions {
        // Behind the calls that are to come, an end, and the functions in front.
        let off = 2 * (functions - k - 1) + 2 + 2 * k;
        insns.extend([mov_reg(1, 6), call_rel(off as i32)]);
    }
    insns.extend([mov(0, 0), exit()]);
    insns.extend([GROWS, exit()].repeat(functions));
    insns
}

/// `head`, a jump over `edits` loads and as many other insns as make its offset `off` in the end, an end.
fn forward(head: &[Insn], jump: Insn, edits: usize, off: usize) -> Vec<Insn> {
    let mut insns = head.to_vec();
    insns.push(jump.with_off((off - ADDED * edits) as i16));
    insns.resize(insns.len() + edits, GROWS);
    insns.resize(insns.len() + off - (ADDED + 1) * edits, mov(0, 0));
    insns.extend([mov(0, 0), exit()]);
    insns
}

/// A loop that is run twice: its jump leads `off` insns back in the end, over `edits` loads.
fn backward(jump: Insn, edits: usize, off: usize) -> Vec<Insn> {
    let mut insns = vec![mov(6, 0)];
    insns.resize(1 + edits, GROWS);
    insns.resize(off - ADDED * edits - 1, mov(0, 0));
    insns.push(alu_imm(W64, Op::Add, 6, 1));
    insns.push(jump.with_off(-((off - ADDED * edits) as i32) as i16));
    insns.extend([mov(0, 0), exit()]);
    insns
}

/// Programs with a jump that is too far, ahead, back, and in a patch, and so few edits that mode verify is quick.
pub fn too_far() -> Vec<Spec> {
    const FEW: usize = 8;
    const MAY_GOTO: usize = 6;
    let len = ldx(W, 6, 1, LEN);
    let ahead = forward(&[len], jmp(Cond::Eq, 6, 1, 0), FEW, FORWARD + 1);
    let back = backward(jmp(Cond::Lt, 6, 2, 0), FEW, BACKWARD + 1);
    // The jump fits its own patch, whatever the kernel's is, and what makes it too far is edited by the same pass.
    let mut patched = vec![len, mov(0, 0), may_goto((FORWARD - MAY_GOTO) as i16)];
    patched.resize(3 + FEW, alu_reg(W64, Op::Div, 0, 6));
    patched.resize(3 + FORWARD - MAY_GOTO, mov(0, 0));
    patched.extend([mov(0, 0), exit()]);
    let programs = [("ahead", ahead), ("back", back), ("patched", patched)];
    let specs = programs.map(|(name, insns)| within(name, insns).spec);
    specs.to_vec()
}

/// Jumps of each kind, just within 16 bits and just outside: by one insn, and by as many as the last edit adds,
/// which the message has to blame still.
fn jumps() -> Vec<Edge> {
    const BEYOND: [(&str, usize); 2] = [("far", 1), ("farther", ADDED)];
    let len = ldx(W, 6, 1, LEN);
    let plain = [len];
    let always = [len, jmp(Cond::Eq, 6, 1, 1)];
    let forwards = [
        ("jump", &plain[..], jmp(Cond::Eq, 6, 1, 0)),
        ("jump32", &plain, branch(W32, Cond::Gt, 6, 1)),
        ("ja", &always, ja(0)),
    ];
    let backwards = [
        ("back", jmp(Cond::Lt, 6, 2, 0)),
        ("back32", branch(W32, Cond::Lt, 6, 2)),
    ];
    let mut edges = Vec::new();
    let mut around = |name: &str, most: usize, program: &dyn Fn(usize) -> Vec<Insn>| {
        edges.push(within(name, program(most)));
        for (far, by) in BEYOND {
            let insns = program(most + by);
            edges.push(outside(&format!("{name}_{far}"), libc::ENOMEM, insns));
        }
    };
    for (name, head, jump) in forwards {
        around(name, FORWARD, &|off| forward(head, jump, EDITS, off));
    }
    for (name, jump) in backwards {
        around(name, BACKWARD, &|off| backward(jump, EDITS, off));
    }
    // One that has 32 bits does not care.
    let mut insns = forward(&always, ja(0), EDITS, FORWARD + 1);
    insns[2] = gotol(i32::from(insns[2].off));
    edges.push(within("gotol", insns));
    edges
}

/// All insns but three are patched, or removed in one run, or one by one.
fn all_edited() -> Vec<Edge> {
    // What is reached by none, as the verifier finds out.
    let skip = [mov(0, 0), jmp(Cond::Eq, 0, 0, EDITS as i16)];
    let skipped = [&skip[..], &[mov(0, 1); EDITS], &[exit()]].concat();
    let never = [mov(0, 0), jmp(Cond::Ne, 0, 0, 1), exit()];
    let behind = [&never[..], &[mov(0, 1); EDITS], &[exit()]].concat();
    let nops = [vec![ja(0); EDITS], vec![mov(0, 0), exit()]].concat();
    vec![
        within("all_patched", limits::divisions(EDITS).insns),
        within("dead_in_front", skipped),
        within("dead_behind", behind),
        within("nops", nops),
    ]
}

/// Line info for each insn, of which some grow, some go, and some are functions of their own.
fn every_line(btf: &Btf) -> Edge {
    let functions = FUNCTIONS as usize - 1;
    let mut insns = calls(functions);
    let start = insns.len() - 2 * functions;
    let starts = (0..functions).map(|k| (start + 2 * k, false));
    let starts: Vec<_> = std::iter::once((0, false)).chain(starts).collect();
    let tail = insns.len() - 1;
    let more = [GROWS, ja(0), mov(0, 0)].repeat(EDITS);
    insns.splice(tail..tail, more);
    let mut edge = within("every_line", insns);
    edge.spec.btf = Some(btf.fd());
    edge.spec.func_info = Btf::func_info(&starts);
    edge.spec.line_info = btf.line_info(&edge.spec.insns, |at| Some(at % LINES));
    edge
}

fn edges(btf: &Btf) -> Vec<Edge> {
    let mut edges = all_edited();
    edges.extend(jumps());
    let short = LONGEST_UNPRIVILEGED;
    edges.extend([
        every_line(btf),
        within("subprogs", calls(SUBPROGS - 1)),
        outside("subprogs_more", libc::E2BIG, calls(SUBPROGS)),
        unprivileged(within("short", long(short, EDITS))),
        unprivileged(outside("short_more", libc::E2BIG, long(short + 1, EDITS))),
        // In the end the longest one whose insns are compared, and the longest.
        within(
            "long",
            long(SMALL - 1 - ADDED * (EDITS_OF_LONG + 1), EDITS_OF_LONG),
        ),
        within("longest", long(LONGEST, EDITS_OF_LONG)),
        outside(
            "longest_more",
            libc::E2BIG,
            long(LONGEST + 1, EDITS_OF_LONG),
        ),
    ]);
    edges
}

/// What a mode made of a program: it, or the errno and why the verifier says.
type Made = Result<Report, (Option<i32>, Option<String>)>;

fn load(spec: &Spec) -> io::Result<Made> {
    Ok(match bpf::load(spec) {
        Ok((prog, _)) => Ok(bpf::report(prog.as_fd(), Detail::Small)?),
        Err(err) => Err((err.raw_os_error(), bpf::refusal(spec))),
    })
}

/// How two results differ.
fn differs(given: &[Insn], a: &Made, b: &Made) -> Option<String> {
    match (a, b) {
        (Ok(a), Ok(b)) if a.xlated.is_some() => difference(given, a, b),
        // Too long for its insns to be reported: their number, and what is not of insns. The hash is that of the
        // program as it was given.
        (Ok(a), Ok(b)) => (a != b).then(|| format!("{} and {} insns", a.insns, b.insns)),
        (Err(a), Err(b)) => (a != b).then(|| format!("{a:?} and {b:?}")),
        _ => Some("one loads, one does not".to_owned()),
    }
}

/// Loads a program in all modes; true if all is as it should be. Tells at once what is not, as a difference in mode
/// verify may bring the kernel down.
fn is_alike(switch: &mut Switch, edge: &Edge) -> io::Result<bool> {
    let spec = &edge.spec;
    let mut alike = true;
    let mut first = None;
    for &mode in switch.all_modes() {
        switch.set(mode)?;
        let made = load(spec)?;
        let Some(first) = &first else {
            let as_said = match (&made, &edge.fits) {
                (Ok(_), Fits::Yes) => true,
                (Err((errno, _)), Fits::No(expected)) => *errno == Some(*expected),
                _ => false,
            };
            if !as_said {
                let made = made.as_ref().map(|report| report.insns);
                out::progress(&format!("{} is not at the edge: {made:?}", spec.name));
                alike = false;
            }
            first = Some(made);
            continue;
        };
        if let Some(text) = differs(&spec.insns, first, &made) {
            out::progress(&format!("{} in mode {mode}: {text}", spec.name));
            alike = false;
        }
    }
    Ok(alike)
}

/// Runs the command; true if all modes agree about each program.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
pub fn run() -> io::Result<bool> {
    let mut switch = Switch::open()?;
    let before = Stats::read()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let _allowed = unpriv::allow()?;
    let _refused = Refused::now()?;
    let btf = Btf::load()?;
    let (mut fit, mut do_not, mut bad) = (0, 0, 0);
    for edge in edges(&btf) {
        bad += usize::from(!is_alike(&mut switch, &edge)?);
        match edge.fits {
            Fits::Yes => fit += 1,
            Fits::No(_) => do_not += 1,
        }
    }
    let grown = Stats::read()?.since(&before);
    let good = bad == 0 && grown.is_verified() && grown.get("fail_erange") > 0;
    out::json(&json!({ "summary": {
        "command": "edges",
        "programs": fit + do_not,
        "fit": fit,
        "do_not": do_not,
        "bad": bad,
        "sessions": grown.get("sessions"),
        "edits": grown.get("edits"),
        "verify_sessions": grown.get("verify_sessions"),
        "refused_jumps": grown.get("fail_erange"),
    }}));
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_to_an_end() {
        let insns = forward(&[ldx(W, 6, 1, LEN)], jmp(Cond::Eq, 6, 1, 0), EDITS, FORWARD);
        let off = usize::try_from(insns[1].off).unwrap();
        assert_eq!(off + ADDED * EDITS, FORWARD);
        assert_eq!(insns[2 + off..], [mov(0, 0), exit()]);
        let insns = backward(jmp(Cond::Lt, 6, 2, 0), EDITS, BACKWARD);
        let at = insns.len() - 3;
        let off = usize::try_from(-insns[at].off).unwrap();
        assert_eq!(off + ADDED * EDITS, BACKWARD);
        assert_eq!(insns[at + 1 - off], GROWS);
        assert_eq!(at + 1 - off, 1);
    }

    #[test]
    fn calls_lead_to_functions() {
        let insns = calls(3);
        for at in [2, 4, 6] {
            let to = at + 1 + insns[at].imm as usize;
            assert_eq!(insns[to..to + 2], [GROWS, exit()]);
        }
        assert_eq!(insns.len(), 1 + 6 + 2 + 6);
    }

    #[test]
    fn results_that_differ() {
        let no = |errno, text: &str| Err((Some(errno), Some(text.to_owned())));
        assert_eq!(differs(&[], &no(12, "a"), &no(12, "a")), None);
        assert!(differs(&[], &no(12, "a"), &no(12, "b")).is_some());
        assert!(differs(&[], &no(12, "a"), &no(22, "a")).is_some());
        assert!(differs(&[], &no(12, "a"), &Ok(Report::default())).is_some());
        let long = Report {
            insns: 9,
            ..Report::default()
        };
        assert!(differs(&[], &Ok(Report::default()), &Ok(long)).is_some());
    }
}
