// SPDX-License-Identifier: GPL-2.0

//! Programs at the edge of what the kernel takes, just within it and just outside: each mode gives the same
//! program, or the same errno in the same words. Jumps are not made longer here, as stock does not.

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;

use super::{long, Fixed, Given, Origin};
use crate::bpf::btf::{Btf, FUNCTIONS, LINES};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, alu_reg, branch, call_rel, exit, gotol, ja, jmp, ldx, may_goto, mov, mov_reg, Cond,
    Insn, Op,
};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::{Spec, SMALL};
use crate::kernel::unpriv;

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

fn within(name: &str, insns: Vec<Insn>) -> Given {
    let spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    Given::new(Origin::Edge, spec)
}

fn outside(name: &str, errno: i32, insns: Vec<Insn>) -> Given {
    Given {
        refused: Some(errno),
        ..within(name, insns)
    }
}

/// A program of `len` insns, of which `edits + 1` grow.
pub fn few(name: &str, len: usize, edits: usize) -> Spec {
    within(name, of_length(len, edits)).spec
}

/// `len` insns: the first one, and `edits` in front of the end, grow.
fn of_length(len: usize, edits: usize) -> Vec<Insn> {
    let mut insns = vec![GROWS];
    insns.resize(len - edits - 1, mov(0, 0));
    insns.resize(len - 1, GROWS);
    insns.push(exit());
    insns
}

/// The same for an ordinary user.
fn unprivileged(edge: Given) -> Given {
    Given {
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
fn jumps() -> Vec<Given> {
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
    // Far by more than the last edit adds.
    let insns = forward(&plain, jmp(Cond::Eq, 6, 1, 0), EDITS, 34_000);
    edges.push(outside("far_jump", libc::ENOMEM, insns));
    // One that has 32 bits does not care.
    let mut insns = forward(&always, ja(0), EDITS, FORWARD + 1);
    insns[2] = gotol(i32::from(insns[2].off));
    edges.push(within("gotol", insns));
    edges
}

/// All insns but three are patched, or removed in one run, or one by one.
fn all_edited() -> Vec<Given> {
    // What is reached by none, as the verifier finds out.
    let skip = [mov(0, 0), jmp(Cond::Eq, 0, 0, EDITS as i16)];
    let skipped = [&skip[..], &[mov(0, 1); EDITS], &[exit()]].concat();
    let never = [mov(0, 0), jmp(Cond::Ne, 0, 0, 1), exit()];
    let behind = [&never[..], &[mov(0, 1); EDITS], &[exit()]].concat();
    let nops = [vec![ja(0); EDITS], vec![mov(0, 0), exit()]].concat();
    vec![
        within("all_patched", long::divisions(EDITS).insns),
        within("dead_in_front", skipped),
        within("dead_behind", behind),
        within("nops", nops),
    ]
}

/// Line info for each insn, of which some grow, some go, and some are functions of their own.
fn every_line(btf: &Btf) -> Given {
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

fn edges(btf: &Btf) -> Vec<Given> {
    let mut edges = all_edited();
    edges.extend(jumps());
    let short = LONGEST_UNPRIVILEGED;
    edges.extend([
        every_line(btf),
        within("subprogs", calls(SUBPROGS - 1)),
        outside("subprogs_more", libc::E2BIG, calls(SUBPROGS)),
        unprivileged(within("short", of_length(short, EDITS))),
        unprivileged(outside(
            "short_more",
            libc::E2BIG,
            of_length(short + 1, EDITS),
        )),
        // In the end the longest one whose insns are compared, and the longest.
        within(
            "long",
            of_length(SMALL - 1 - ADDED * (EDITS_OF_LONG + 1), EDITS_OF_LONG),
        ),
        within("longest", of_length(LONGEST, EDITS_OF_LONG)),
        outside(
            "longest_more",
            libc::E2BIG,
            of_length(LONGEST + 1, EDITS_OF_LONG),
        ),
    ]);
    edges
}

/// All of them as a source.
///
/// # Errors
///
/// The kernel does not let us have type information.
pub fn source() -> io::Result<Fixed> {
    let allowed = unpriv::allow()?;
    let btf = Btf::load()?;
    let given = edges(&btf);
    Ok(Fixed::keeping(given, (btf, allowed)))
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
}
