// SPDX-License-Identifier: GPL-2.0

//! What differs between the modes on purpose, and what differs between any two loads.
//!
//! Stock copies an instruction behind what it puts in front of it and leaves a backward offset as it
//! was, so that the jump or call lands too far by the length of what was put in front; the patcher
//! corrects it (Documentation/design.md). Recognised are exactly its two forms: a conditional jump
//! behind a speculation barrier, and a call that is the first instruction of a function with may_goto.

use crate::bpf::Report;
use crate::insn::{decode, Insn, CALL_CODE, MAY_GOTO, NOSPEC, PSEUDO_CALL};
use crate::random::program::Case;

/// The first register that only the kernel uses; which of them it takes depends on its version.
const AX: u8 = 11;
const MOV64_IMM: u8 = 0xb7;
const LSH64_IMM: u8 = 0x67;

/// Insns that stand for one at most (`INSN_BUF_SIZE` of include/linux/bpf_verifier.h).
const LONGEST_PATCH: i32 = 32;

/// Corrects, in what stock reports, backward jumps behind a barrier that land one insn too far, which
/// may be more by now if the target was replaced later; returns how many there were. (Mode `verify`
/// knows the distance to the insn.)
pub fn correct_backward(stock: &mut Report, patcher: &Report) -> u64 {
    let (Some(ours), Some(theirs)) = (&mut stock.xlated, &patcher.xlated) else {
        return 0;
    };
    let (mut insns, other) = (decode(ours), decode(theirs));
    if insns.len() != other.len() {
        return 0;
    }
    let mut corrected = 0;
    for at in 1..insns.len() {
        let (insn, right) = (insns[at], other[at]);
        let backward = right.is_conditional() && right.code != MAY_GOTO && right.off < -1;
        let too_far = i32::from(insn.off) - i32::from(right.off);
        let elsewhere = Insn {
            off: insn.off,
            ..right
        };
        if backward
            && insns[at - 1].code == NOSPEC
            && insn == elsewhere
            && (1..=LONGEST_PATCH).contains(&too_far)
        {
            insns[at] = right;
            corrected += 1;
        }
    }
    *ours = insns.into_iter().flat_map(Insn::bytes).collect();
    corrected
}

/// Has the program a function that starts with a backward call, and may_goto in it? Stock does not
/// find the function called and refuses the program with EFAULT.
pub fn starts_with_backward_call(case: &Case) -> bool {
    let insns = &case.spec.insns;
    let ends = case.starts.iter().skip(1).copied().chain([insns.len()]);
    case.starts.iter().zip(ends).any(|(&start, end)| {
        let first = insns[start];
        first.code == CALL_CODE
            && first.src() == PSEUDO_CALL
            && first.imm < -1
            && insns[start..end].iter().any(|insn| insn.code == MAY_GOTO)
    })
}

/// Clears the random numbers that `BPF_F_TEST_RND_HI32` has put into upper halves of registers, and
/// the tags of functions, which are hashes over them.
pub fn clear_random(report: &mut Report) {
    report.tags.truncate(1);
    let Some(xlated) = &mut report.xlated else {
        return;
    };
    let mut insns = decode(xlated);
    for at in 1..insns.len() {
        let (number, shift) = (insns[at - 1], insns[at]);
        let both_ax = number.dst() >= AX && shift.dst() == number.dst();
        if both_ax && number.code == MOV64_IMM && shift.code == LSH64_IMM && shift.imm == 32 {
            insns[at - 1].imm = 0;
        }
    }
    *xlated = insns.into_iter().flat_map(Insn::bytes).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::Spec;
    use crate::insn::{call_rel, exit, jmp, may_goto, mov, Cond};

    fn report(insns: &[Insn]) -> Report {
        Report {
            xlated: Some(insns.iter().flat_map(|insn| insn.bytes()).collect()),
            ..Report::default()
        }
    }

    fn with_jump(front: Insn, off: i16) -> Report {
        report(&[mov(0, 1), exit(), front, jmp(Cond::Eq, 1, 0, off)])
    }

    #[test]
    fn only_one_too_far_behind_a_barrier() {
        let barrier = Insn::new(NOSPEC, 0, 0, 0, 0);
        let right = with_jump(barrier, -4);
        let corrected = |stock: &mut Report| correct_backward(stock, &right);
        let mut stock = with_jump(barrier, -3);
        assert_eq!(corrected(&mut stock), 1);
        assert_eq!(stock, right);
        assert_eq!(corrected(&mut with_jump(barrier, -2)), 1);
        assert_eq!(corrected(&mut with_jump(barrier, 29)), 0);
        assert_eq!(corrected(&mut with_jump(barrier, -5)), 0);
        let plain = with_jump(mov(0, 0), -4);
        assert_eq!(correct_backward(&mut with_jump(mov(0, 0), -3), &plain), 0);
    }

    #[test]
    fn first_call_of_a_function() {
        let case = |call, last| Case {
            spec: Spec {
                insns: vec![call_rel(3), exit(), mov(0, 0), exit(), call, last, exit()],
                ..Spec::default()
            },
            starts: vec![0, 2, 4],
            kind: "",
            random_insns: false,
            callback: false,
        };
        assert!(starts_with_backward_call(&case(call_rel(-3), may_goto(0))));
        assert!(!starts_with_backward_call(&case(call_rel(-3), mov(0, 0))));
        assert!(!starts_with_backward_call(&case(mov(0, 0), may_goto(0))));
    }

    #[test]
    fn random_numbers_go() {
        let shift = Insn::new(LSH64_IMM, AX, 0, 0, 32);
        let with = |imm| report(&[Insn::new(MOV64_IMM, AX, 0, 0, imm), shift, mov(1, 5)]);
        let (mut a, mut b) = (with(7), with(8));
        clear_random(&mut a);
        clear_random(&mut b);
        assert_eq!(a, b);
        assert_eq!(decode(a.xlated.as_deref().unwrap())[2], mov(1, 5));
    }
}
