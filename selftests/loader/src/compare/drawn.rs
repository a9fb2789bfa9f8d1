// SPDX-License-Identifier: GPL-2.0

//! What differs between any two loads of a program, as it is drawn or made for each: random numbers of
//! `BPF_F_TEST_RND_HI32` and of blinding, and insn arrays.

use libbpf_sys::{BPF_FUNC_timer_set_callback, BPF_F_TEST_RND_HI32};

use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, decode, Insn, Op, CALL_CODE, LD_IMM64, PSEUDO_FUNC, PSEUDO_KFUNC_CALL, PSEUDO_MAP_FD,
    PSEUDO_MAP_VALUE,
};
use crate::bpf::{Report, Spec};

/// The first register that only the kernel uses; which of them it takes depends on its version.
const AX: u8 = 11;

/// Clears what is drawn or made for each load of `spec`.
pub fn clear(spec: &Spec, report: &mut Report) {
    let filled = spec.flags & BPF_F_TEST_RND_HI32 != 0;
    if filled || spec.harden == Some(2) || sets_callback(&spec.insns) {
        // The tags of functions are hashes over the random numbers, and over addresses that the kernel puts there.
        report.tags.truncate(1);
    }
    if spec.array.is_some() || !spec.bound.is_empty() {
        report.map_ids.fill(0);
    }
    let Some(xlated) = &mut report.xlated else {
        return;
    };
    let mut insns = decode(xlated);
    if filled || spec.harden.is_some() {
        clear_numbers(&mut insns);
    }
    if spec.array.is_some() {
        clear_maps(&mut insns);
    }
    *xlated = insns.into_iter().flat_map(Insn::bytes).collect();
}

/// May a program set the callback of a timer or work queue? The kernel then puts the program's own address into it.
fn sets_callback(insns: &[Insn]) -> bool {
    let has = |code, src, imm: Option<u32>| {
        let is = |insn: &Insn| insn.code == code && insn.src() == src;
        let mut found = insns.iter().filter(|&insn| is(insn));
        found.any(|insn| imm.is_none_or(|imm| insn.imm as u32 == imm))
    };
    let timer = has(CALL_CODE, 0, Some(BPF_FUNC_timer_set_callback));
    timer || has(CALL_CODE, PSEUDO_KFUNC_CALL, None) && has(LD_IMM64, PSEUDO_FUNC, None)
}

/// Clears the random numbers in upper halves of registers, and puts constants in place of blinded ones.
fn clear_numbers(insns: &mut [Insn]) {
    for at in 1..insns.len() {
        let [number, next] = [insns[at - 1], insns[at]];
        let ax = number.dst();
        if ax < AX {
            continue;
        }
        let is = |insn: Insn, width, op| insn == alu_imm(width, op, ax, insn.imm);
        let filled = is(number, W64, Op::Mov) && next == alu_imm(W64, Op::Lsh, ax, 32);
        let blinded = [W32, W64]
            .iter()
            .any(|&width| is(number, width, Op::Mov) && is(next, width, Op::Xor));
        if blinded {
            insns[at].imm ^= number.imm;
        }
        if filled || blinded {
            insns[at - 1].imm = 0;
        }
    }
}

/// Clears the ids of maps.
fn clear_maps(insns: &mut [Insn]) {
    let maps = [PSEUDO_MAP_FD, PSEUDO_MAP_VALUE];
    for insn in insns {
        if insn.code == LD_IMM64 && maps.contains(&insn.src()) {
            insn.imm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{alu_reg, call, ld_map_value, mov};
    use crate::bpf::InsnArray;

    /// The insns of a report after clearing.
    fn cleared(spec: &Spec, insns: &[Insn]) -> Vec<Insn> {
        let mut report = Report {
            xlated: Some(insns.iter().flat_map(|insn| insn.bytes()).collect()),
            ..Report::default()
        };
        clear(spec, &mut report);
        decode(&report.xlated.unwrap())
    }

    #[test]
    fn tags_go_with_callbacks() {
        let tags = |helper| {
            let spec = Spec {
                insns: vec![call(helper)],
                ..Spec::default()
            };
            let mut report = Report {
                tags: vec![[1; 8], [2; 8]],
                ..Report::default()
            };
            clear(&spec, &mut report);
            report.tags.len()
        };
        assert_eq!([tags(BPF_FUNC_timer_set_callback), tags(1)], [1, 2]);
    }

    #[test]
    fn random_numbers_go() {
        let spec = Spec {
            flags: BPF_F_TEST_RND_HI32,
            ..Spec::default()
        };
        let shift = alu_imm(W64, Op::Lsh, AX, 32);
        let with = |imm| cleared(&spec, &[mov(AX, imm), shift, mov(1, 5)]);
        assert_eq!(with(7), with(8));
        assert_eq!(with(7)[2], mov(1, 5));
        let masked = [mov(AX, 1), alu_reg(W64, Op::Sub, AX, 2)];
        assert_eq!(cleared(&spec, &masked), masked);
    }

    #[test]
    fn blinded_constants_stay() {
        let spec = Spec {
            harden: Some(2),
            ..Spec::default()
        };
        let blinded = |constant, by| {
            let pair = [mov(AX, constant ^ by), alu_imm(W64, Op::Xor, AX, by)];
            cleared(&spec, &pair)
        };
        assert_eq!(blinded(7, 1), blinded(7, -99));
        assert_ne!(blinded(7, 1), blinded(8, 1));
        let own = [mov(1, 5), alu_imm(W64, Op::Xor, 1, 6)];
        assert_eq!(cleared(&spec, &own), own);
    }

    #[test]
    fn maps_go_where_they_are_made_for_each_load() {
        let array = Spec {
            array: Some(InsnArray {
                entries: vec![0],
                loaded_by: 0,
            }),
            ..Spec::default()
        };
        assert_eq!(
            cleared(&array, &ld_map_value(1, 41, 8)),
            cleared(&array, &ld_map_value(1, 42, 8))
        );
        let given = ld_map_value(1, 41, 8);
        assert_eq!(cleared(&Spec::default(), &given), given);
    }
}
