// SPDX-License-Identifier: GPL-2.0

//! A may_goto as far as its offset reaches; the jump that replaces it has to reach further.

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SCHED_CLS;

use super::outcome::{load, Finding, Outcome, Verdict};
use crate::bpf::insn::{exit, may_goto, mov};
use crate::bpf::Spec;
use crate::kernel::far_jumps::Refused;

/// What the verifier says about the first insn, the may_goto.
const REASON: &str = "insn 0 cannot be patched due to 16-bit range";

pub fn look() -> io::Result<Finding> {
    // If not, the patcher gives it a jump that reaches, and it loads.
    let _refused = Refused::now()?;
    let mut insns = vec![may_goto(i16::MAX)];
    insns.extend([mov(0, 1); i16::MAX as usize]);
    insns.extend([mov(0, 0), exit()]);
    let outcome = load(&Spec::new(BPF_PROG_TYPE_SCHED_CLS, "far_may_goto", insns))?;
    let verdict = match &outcome {
        Outcome::Loaded(_) => Verdict::Shows,
        Outcome::Refused(_, reason) if reason.contains(REASON) => Verdict::Right,
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}
