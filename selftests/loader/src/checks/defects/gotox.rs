// SPDX-License-Identifier: GPL-2.0

//! An indirect jump in front of a subprog that gets slots for may_goto.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT;

use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::insn::Size::DW;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call_rel, exit, gotox, ja, ld_map_value, ldx, may_goto, mov, Insn, Op, GOTOX,
};
use crate::bpf::{self, Spec};
use crate::kernel::jit;
use crate::kernel::sysctl::Setting;

/// The insn that the jump leads to.
const TARGET: u32 = 7;

fn insns(targets: &OwnedFd) -> Vec<Insn> {
    let [low, high] = ld_map_value(1, targets.as_raw_fd(), 0);
    vec![
        call_rel(2),
        call_rel(8),
        exit(),
        // Jumps to insn 7, two insns ahead of the jump.
        low,
        high,
        ldx(DW, 1, 1, 0),
        ja(2),
        mov(0, 0),
        exit(),
        gotox(1),
        // Gets the slots.
        mov(0, 0),
        may_goto(1),
        alu_imm(W64, Op::Add, 0, 1),
        exit(),
    ]
}

/// Turns the JIT on, or says why this kernel has no indirect jumps.
pub fn jit() -> io::Result<Result<Setting, &'static str>> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Err(
            "only the JIT of x86-64 is known to have indirect jumps",
        ));
    }
    Ok(jit::on()?.ok_or("this kernel has no JIT"))
}

pub fn look() -> io::Result<Finding> {
    let _jit = match jit()? {
        Ok(jit) => jit,
        Err(reason) => return Finding::not_here(reason),
    };
    let targets = bpf::create_insn_array(&[TARGET])?;
    let insns = insns(&targets);
    let outcome = load(&Spec::new(BPF_PROG_TYPE_RAW_TRACEPOINT, "gotox_off", insns))?;
    let verdict = match &outcome {
        Outcome::Loaded(Loaded { insns, .. }) => {
            match insns.iter().find(|insn| insn.code == GOTOX) {
                Some(insn) if insn.off == 0 => Verdict::Right,
                Some(_) => Verdict::Shows,
                None => Verdict::Unclear,
            }
        }
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}
