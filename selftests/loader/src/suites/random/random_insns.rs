// SPDX-License-Identifier: GPL-2.0

//! The random numbers that the kernel puts into programs with `BPF_F_TEST_RND_HI32`: they differ
//! between any two loads.

use crate::bpf::insn::{decode, Insn};
use crate::bpf::Report;

/// The first register that only the kernel uses; which of them it takes depends on its version.
const AX: u8 = 11;
const MOV64_IMM: u8 = 0xb7;
const LSH64_IMM: u8 = 0x67;

/// Clears the random numbers that `BPF_F_TEST_RND_HI32` has put into upper halves of registers, and
/// the tags of functions, which are hashes over them.
pub fn clear(report: &mut Report) {
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
    use crate::bpf::insn::mov;

    fn report(insns: &[Insn]) -> Report {
        Report {
            xlated: Some(insns.iter().flat_map(|insn| insn.bytes()).collect()),
            ..Report::default()
        }
    }

    #[test]
    fn random_numbers_go() {
        let shift = Insn::new(LSH64_IMM, AX, 0, 0, 32);
        let with = |imm| report(&[Insn::new(MOV64_IMM, AX, 0, 0, imm), shift, mov(1, 5)]);
        let (mut a, mut b) = (with(7), with(8));
        clear(&mut a);
        clear(&mut b);
        assert_eq!(a, b);
        assert_eq!(decode(a.xlated.as_deref().unwrap())[2], mov(1, 5));
    }
}
