// SPDX-License-Identifier: GPL-2.0

//! What the programs consisted of, and what became of them: that nothing differed says little if
//! nothing was there.

use std::collections::BTreeMap;

use serde_json::{json, Value};

use crate::bpf::insn::{decode, Insn, CMPXCHG, FETCH, GOTOL, MAY_GOTO, NOSPEC, PSEUDO_CALL};
use crate::bpf::insn::{CALL_CODE, LD_IMM64};
use crate::bpf::Report;
use crate::programs::generator::Case;

/// Programs with each feature, by its name.
#[derive(Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Counts what was handed in.
    pub fn given(&mut self, case: &Case) {
        let insns = &case.spec.insns;
        let any = |wanted: fn(&Insn) -> bool| insns.iter().any(wanted);
        self.count(case.kind, true);
        self.count("unprivileged", case.spec.unprivileged);
        self.count("random_insns", case.random_insns);
        self.count("callback", case.callback);
        self.count("functions", case.starts.len() > 1);
        self.count("line_info", case.spec.line_info.count() > 0);
        self.count("func_info", case.spec.func_info.count() > 0);
        self.count("over_2000_insns", insns.len() > 2_000);
        self.count("over_32767_insns", insns.len() > 32_767);
        self.count("may_goto", any(|insn| insn.code == MAY_GOTO));
        self.count("gotol", any(|insn| insn.code == GOTOL));
        self.count(
            "ld_abs",
            any(|insn| insn.code != 0 && is_packet_load(*insn)),
        );
        self.count("divide", any(|insn| is_division(*insn) && insn.off == 0));
        self.count(
            "signed_divide",
            any(|insn| is_division(*insn) && insn.off == 1),
        );
        self.count("wide", any(|insn| insn.code == LD_IMM64));
        self.count(
            "fetch",
            any(|insn| is_atomic(*insn) && insn.imm & FETCH != 0),
        );
        self.count(
            "cmpxchg",
            any(|insn| is_atomic(*insn) && insn.imm == CMPXCHG),
        );
        self.count(
            "backward_jump",
            any(|insn| insn.is_conditional() && insn.off < -1),
        );
        self.count(
            "backward_call",
            any(|insn| insn.code == CALL_CODE && insn.src() == PSEUDO_CALL && insn.imm < 0),
        );
    }

    /// Counts what the kernel made of it.
    pub fn reported(&mut self, case: &Case, report: &Report) {
        let spec = &case.spec;
        let insns = decode(report.xlated.as_deref().unwrap_or_default());
        self.count("grown", insns.len() > spec.insns.len());
        self.count("shrunk", insns.len() < spec.insns.len());
        self.count("barrier", insns.iter().any(|insn| insn.code == NOSPEC));
        self.count(
            "functions_removed",
            report.func_info.count() < spec.func_info.count(),
        );
        self.count(
            "lines_removed",
            report.line_info.count() < spec.line_info.count(),
        );
    }

    fn count(&mut self, feature: &'static str, has: bool) {
        *self.0.entry(feature).or_default() += u64::from(has);
    }

    pub fn json(&self) -> Value {
        json!(self.0)
    }
}

fn is_packet_load(insn: Insn) -> bool {
    insn.code & 7 == 0 && matches!(insn.code & 0xe0, 0x20 | 0x40)
}

fn is_division(insn: Insn) -> bool {
    matches!(insn.code & 7, 4 | 7) && matches!(insn.code & 0xf0, 0x30 | 0x90)
}

fn is_atomic(insn: Insn) -> bool {
    matches!(insn.code, 0xc3 | 0xdb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{alu_imm, cmpxchg, exit, ld_abs, signed, Op, Size, Width};
    use crate::bpf::Spec;

    #[test]
    fn features_of_a_program() {
        let insns = vec![
            ld_abs(Size::B, 3),
            signed(alu_imm(Width::W64, Op::Div, 0, -1)),
            cmpxchg(Size::W, 10, -8, 1),
            exit(),
        ];
        let case = Case {
            spec: Spec {
                insns,
                ..Spec::default()
            },
            starts: vec![0],
            kind: "xdp",
            random_insns: false,
            callback: false,
        };
        let mut coverage = Coverage::default();
        coverage.given(&case);
        let count = |feature| coverage.0[feature];
        for feature in ["xdp", "ld_abs", "signed_divide", "cmpxchg", "fetch"] {
            assert_eq!(count(feature), 1, "{feature}");
        }
        for feature in ["divide", "may_goto", "functions", "gotol"] {
            assert_eq!(count(feature), 0, "{feature}");
        }
    }
}
