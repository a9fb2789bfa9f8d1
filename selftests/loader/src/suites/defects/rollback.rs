// SPDX-License-Identifier: GPL-2.0

//! Programs that are blinded and then not JITed: line info has to be as before.

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;

use super::{spec, Defect, Outcome};
use crate::bpf::btf::Btf;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, call_rel, exit, mov, Insn, Op};
use crate::bpf::ENOTSUPP;

/// Constants, which are blinded. To be loaded where the JIT gives up.
pub fn blinding_rollback(btf: &Btf) -> Defect {
    let insns = vec![mov(0, 1), alu_imm(W64, Op::Add, 0, 2), mov(1, 3), exit()];
    let mut defect = rollback(btf, "blinding_rollback", insns, &[0]);
    defect.spec.unprivileged = true;
    defect
}

/// Two functions with constants. That the JIT gives up on them takes an allocation that fails.
pub fn blinding_rollback_of_functions(btf: &Btf) -> Defect {
    let insns = vec![
        call_rel(2),
        alu_imm(W64, Op::Add, 0, 2),
        exit(),
        mov(0, 1),
        alu_imm(W64, Op::Add, 0, 3),
        exit(),
    ];
    rollback(btf, "blinding_rollback_of_functions", insns, &[0, 3])
}

/// A program with functions at `starts` and a line for each insn.
fn rollback(btf: &Btf, name: &'static str, insns: Vec<Insn>, starts: &[usize]) -> Defect {
    let functions: Vec<_> = starts.iter().map(|&start| (start, false)).collect();
    let mut spec = spec(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(&functions);
    spec.line_info = btf.line_info(&spec.insns, Some);
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Refused(ENOTSUPP, _) => Some("there is no interpreter to take over"),
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, lines } => lines.iter().copied().eq(0..insns.len() as u32),
            Outcome::Refused(..) => false,
        },
    }
}
