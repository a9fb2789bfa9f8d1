// SPDX-License-Identifier: GPL-2.0

//! Programs that the kernel's own patching gets wrong, as Documentation/stock-defects.md reports
//! them. Each is loaded in every mode, and what came out is looked at.
//!
//! They show the wrong result and do nothing with it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libbpf_sys::{BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SOCKET_FILTER};
use serde_json::json;

use crate::bpf::{self, Detail, Spec};
use crate::btf::Btf;
use crate::insn::Size::W;
use crate::insn::Width::W64;
use crate::insn::{
    alu_imm, call_rel, decode, exit, ja, jmp, jmp_reg, ldx, may_goto, mov, mov_reg, Cond, Insn, Op,
    CALL_CODE, NOSPEC, PSEUDO_CALL,
};
use crate::mode::{Mode, Switch};
use crate::out;
use crate::skb::{LEN, PROTOCOL};
use crate::sysctl::Setting;
use crate::unpriv;

/// What bpf(2) says when there is neither a JIT that can nor an interpreter: `ENOTSUPP` of the kernel's `linux/errno.h`, which is not
/// among the C library's.
const ENOTSUPP: i32 = 524;

/// What became of a program.
enum Outcome {
    Loaded {
        insns: Vec<Insn>,
        /// The instructions that line info is about.
        lines: Vec<u32>,
    },
    /// With the reason that the verifier gives.
    Refused(i32, String),
}

struct Defect {
    name: &'static str,
    spec: Spec,
    /// What it returns when it is run; only what is right is run.
    returns: Option<u32>,
    /// Why this kernel, which makes this of it, cannot show the defect.
    absent: fn(&Outcome) -> Option<&'static str>,
    /// Is the outcome what it has to be?
    right: fn(&Outcome) -> bool,
}

fn spec(kind: u32, name: &str, insns: Vec<Insn>) -> Spec {
    Spec {
        name: name.to_owned(),
        kind,
        insns,
        ..Spec::default()
    }
}

/// The insn that the first backward jump with `code` leads to.
fn target_of(insns: &[Insn], code: u8) -> Option<Insn> {
    let from = insns
        .iter()
        .position(|insn| insn.code == code && insn.off < 0)?;
    let to = from as i64 + 1 + i64::from(insns[from].off);
    insns.get(usize::try_from(to).ok()?).copied()
}

/// A backward call, the first insn of a subprogram in front of which slots for may_goto are put.
fn backward_call() -> Defect {
    let name = "backward_call";
    Defect {
        name,
        returns: Some(8),
        spec: spec(
            BPF_PROG_TYPE_SCHED_CLS,
            name,
            vec![
                call_rel(3),
                exit(),
                // The callee.
                mov(0, 7),
                exit(),
                // Calls it.
                call_rel(-3),
                may_goto(1),
                alu_imm(W64, Op::Add, 0, 1),
                exit(),
            ],
        ),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => callee_of(insns) == Some(mov(0, 7)),
            Outcome::Refused(..) => false,
        },
    }
}

/// The insn that the first backward call leads to.
fn callee_of(insns: &[Insn]) -> Option<Insn> {
    // The kernel reports the distance in `off` when it has used `imm` for something else.
    let distance = |insn: &Insn| match insn.off {
        0 => insn.imm,
        off => off.into(),
    };
    let is_call = |insn: &Insn| insn.code == CALL_CODE && insn.src() == PSEUDO_CALL;
    let from = insns
        .iter()
        .position(|insn| is_call(insn) && distance(insn) < 0)?;
    let to = from as i64 + 1 + i64::from(distance(&insns[from]));
    insns.get(usize::try_from(to).ok()?).copied()
}

/// A backward jump that is unsafe under speculation, so that a barrier is put in front of it.
fn backward_jump_behind_barrier() -> Defect {
    let name = "backward_jump_behind_barrier";
    let compare = jmp_reg(Cond::Gt, 3, 4, -10);
    let mut spec = spec(
        BPF_PROG_TYPE_SOCKET_FILTER,
        name,
        vec![
            mov(0, 0),
            ldx(W, 4, 1, LEN),
            ja(3),
            mov(0, 1),
            alu_imm(W64, Op::Add, 0, 4),
            exit(),
            ldx(W, 3, 1, PROTOCOL),
            mov_reg(5, 4),
            alu_imm(W64, Op::And, 5, 1),
            // Never, but for a mispredicted moment.
            jmp(Cond::Gt, 5, 5, 1),
            ja(1),
            mov_reg(3, 1),
            compare,
            mov(0, 2),
            exit(),
        ],
    );
    spec.unprivileged = true;
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Loaded { insns, .. } if !insns.iter().any(|insn| insn.code == NOSPEC) => {
                Some("the processor needs no barriers")
            }
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => {
                let code = jmp_reg(Cond::Gt, 3, 4, 0).code;
                target_of(insns, code) == Some(mov(0, 1))
            }
            Outcome::Refused(..) => false,
        },
    }
}

/// A may_goto over as much as 16 bits tell; the jump that replaces it goes further.
fn far_may_goto() -> Defect {
    let name = "far_may_goto";
    let mut insns = vec![may_goto(i16::MAX)];
    insns.extend([mov(0, 1); i16::MAX as usize]);
    insns.extend([mov(0, 0), exit()]);
    Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_SCHED_CLS, name, insns),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { .. } => false,
            Outcome::Refused(_, reason) => reason.contains("cannot be patched due to 16-bit range"),
        },
    }
}

/// Constants, which are blinded, and a line for each insn. To be loaded where the JIT gives up.
fn blinding_rollback(btf: &Btf) -> Defect {
    let name = "blinding_rollback";
    let insns = vec![mov(0, 1), alu_imm(W64, Op::Add, 0, 2), mov(1, 3), exit()];
    let mut spec = spec(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(&[(0, false)]);
    spec.line_info = btf.line_info(&spec.insns, Some);
    spec.unprivileged = true;
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Refused(ENOTSUPP, _) => Some("there is no interpreter to take over"),
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, lines, .. } => insns.len() == 4 && *lines == [0, 1, 2, 3],
            Outcome::Refused(..) => false,
        },
    }
}

/// Blinds the programs of ordinary users, and lets the JIT have no memory for them.
fn no_room_for_blinded() -> io::Result<[Setting; 2]> {
    Ok([
        Setting::set("net/core/bpf_jit_harden", "1")?,
        Setting::set("net/core/bpf_jit_limit", "1")?,
    ])
}

fn load(spec: &Spec) -> io::Result<(Outcome, Option<OwnedFd>)> {
    match bpf::load(spec) {
        Ok((prog, _)) => {
            let report = bpf::report(prog.as_fd(), Detail::Full)?;
            let lines = report.line_info.bytes.chunks(report.line_info.size.max(1));
            let first = |line: &[u8]| line.first_chunk().copied().map(u32::from_ne_bytes);
            let outcome = Outcome::Loaded {
                insns: decode(&report.xlated.unwrap_or_default()),
                lines: lines.filter_map(first).collect(),
            };
            Ok((outcome, Some(prog)))
        }
        Err(err) => {
            let reason = bpf::refusal(spec).unwrap_or_default();
            let errno = err.raw_os_error().unwrap_or_default();
            Ok((Outcome::Refused(errno, reason), None))
        }
    }
}

/// How often stock and the patcher were wrong.
#[derive(Default)]
struct Tally {
    defects: usize,
    shown: usize,
    wrong: usize,
}

/// Loads a program in every mode and prints what came of it.
fn show(switch: &mut Switch, defect: &Defect, tally: &mut Tally) -> io::Result<()> {
    for &mode in switch.modes() {
        switch.set(mode)?;
        let (outcome, prog) = load(&defect.spec)?;
        if let Some(reason) = (defect.absent)(&outcome) {
            out::progress(&format!("{}: not here, {reason}", defect.name));
            return Ok(());
        }
        let mut right = (defect.right)(&outcome);
        let mut what = match &outcome {
            Outcome::Loaded { insns, lines } => {
                let lines = match &lines[..] {
                    [] => String::new(),
                    lines => format!(", lines of insns {lines:?}"),
                };
                format!("loads as {} insns{lines}", insns.len())
            }
            Outcome::Refused(errno, reason) => format!("refused with {errno}: {reason}"),
        };
        if let (true, Some(prog), Some(expected)) = (right, prog, defect.returns) {
            let returned = bpf::test_run(prog.as_fd())?;
            right = returned == expected;
            what += &format!(", returns {returned}");
        }
        let verdict = if right { "right" } else { "WRONG" };
        out::progress(&format!(
            "{} in mode {mode}: {verdict}, {what}",
            defect.name
        ));
        out::json(&json!({ "defect": {
            "name": defect.name, "mode": mode.name(), "right": right, "outcome": what,
        }}));
        match mode {
            Mode::Stock => {
                tally.defects += 1;
                tally.shown += usize::from(!right);
            }
            _ => tally.wrong += usize::from(!right),
        }
    }
    Ok(())
}

/// Runs the command; true when each defect shows in stock mode, and none in the other.
///
/// # Errors
///
/// A mode that cannot be set, or a program that cannot be asked about.
pub fn run() -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let allowed = unpriv::allow()?;
    let btf = Btf::load()?;
    let mut tally = Tally::default();
    for defect in [
        backward_call(),
        backward_jump_behind_barrier(),
        far_may_goto(),
    ] {
        show(&mut switch, &defect, &mut tally)?;
    }
    match no_room_for_blinded() {
        Ok(settings) => {
            show(&mut switch, &blinding_rollback(&btf), &mut tally)?;
            drop(settings);
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            out::progress("blinding_rollback: not here, this kernel has no JIT");
        }
        Err(err) => return Err(err),
    }
    drop(allowed);
    let Tally {
        defects,
        shown,
        wrong,
    } = tally;
    out::json(&json!({ "summary": {
        "command": "defects", "defects": defects, "shown": shown, "wrong": wrong,
    }}));
    Ok(wrong == 0 && defects > 0 && shown == defects)
}
