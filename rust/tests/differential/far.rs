// SPDX-License-Identifier: GPL-2.0

//! Jumps that are relaxed, each session checked against the kernel's own functions.

use super::{
    super::engine::harness::*,
    fixture::{
        Extras,
        Fixture, //
    }, //
};
use crate::{
    engine::abi::Insn,
    stats::STATS, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// Beyond what 16 bits reach.
const LEN: usize = 33_000;
const MAX: i16 = i16::MAX;

fn far(at: &[(usize, Insn)]) -> Result<Fixture> {
    let mut fixture = Fixture::long(LEN, at)?;
    fixture.relax_far_jumps(true);
    Ok(fixture)
}

#[kunit_tests(bpf_patcher_far)]
mod tests {
    use super::*;

    /// Are insns `at..` of the program those of `expected`?
    fn has(fixture: &Fixture, at: usize, expected: &[Insn]) -> bool {
        let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
        let insns = &fixture.insns()[at..][..expected.len()];
        insns.iter().map(key).eq(expected.iter().map(key))
    }

    #[test]
    fn goto_becomes_gotol() -> Result {
        let mut fixture = far(&[(0, ja(MAX)), (LEN - 2, ja(i16::MIN))])?;
        let verified = STATS.verify_far_sessions.get();
        fixture.edit(|log| {
            replace(log, 9, &two())?;
            replace(log, 32_000, &two())
        })?;
        assert!(has(&fixture, 0, &[gotol(i32::from(MAX) + 2)]));
        assert!(has(&fixture, LEN, &[gotol(i32::from(i16::MIN) - 1)]));
        assert_eq!(fixture.insns().len(), LEN + 2);
        assert_eq!(STATS.verify_far_sessions.get(), verified + 1);
        Ok(())
    }

    #[test]
    fn each_conditional_jump_is_inverted() -> Result {
        for class in [bindings::BPF_JMP, bindings::BPF_JMP32] {
            for (op, inverse) in OPS {
                for x in [0, bindings::BPF_X] {
                    let forward = jump(class, op, x, MAX);
                    let back = jump(class, op, x, i16::MIN);
                    let mut fixture = far(&[(0, forward), (LEN - 2, back)])?;
                    fixture.edit(|log| replace(log, 9_000, &two()))?;
                    let over = jump(class, inverse, x, 1);
                    assert!(has(&fixture, 0, &[over, gotol(i32::from(MAX) + 1)]));
                    // Two insns are between, of which one is its own.
                    let to = i32::from(i16::MIN) - 2;
                    assert!(has(&fixture, LEN, &[over, gotol(to)]));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn jump_without_an_inverse() -> Result {
        let mut fixture = far(&[(0, jset(MAX)), (LEN - 2, may_goto(i16::MIN))])?;
        fixture.edit(|log| replace(log, 9_000, &two()))?;
        let form = [jset(1), ja(1), gotol(i32::from(MAX) + 1)];
        assert!(has(&fixture, 0, &form));
        let form = [may_goto(1), ja(1), gotol(i32::from(i16::MIN) - 3)];
        assert!(has(&fixture, LEN + 1, &form));
        Ok(())
    }

    #[test]
    fn jump_of_a_patch_in_its_middle() -> Result {
        let mut fixture = far(&[])?;
        // Both lead over the jump that grows: the first one into the patch, the last one out of it.
        fixture.edit(|log| {
            replace(log, 3, &[ja(1), jset(MAX - 1), jeq7(5)])?;
            replace(log, 9, &two())?;
            replace(log, 10, &two())
        })?;
        let form = [ja(3), jset(1), ja(1), gotol(i32::from(MAX) + 1), jeq7(5)];
        assert!(has(&fixture, 3, &form));
        Ok(())
    }

    #[test]
    fn one_pushes_the_next() -> Result {
        // Insn 0 gets too far. It pushes none, as the others are behind it.
        let at = [(0, jeq7(MAX)), (1, jeq7(MAX - 1)), (2, ja(MAX - 2))];
        let mut fixture = far(&at)?;
        fixture.edit(|log| replace(log, 32_767, &two()))?;
        assert_eq!(fixture.insns().len(), LEN + 2);
        // Only insn 2 leads over the insn that grows. It pushes insn 1, and both push insn 0.
        let mut fixture = far(&[(0, jeq7(MAX - 1)), (1, jeq7(MAX)), (2, jeq7(MAX))])?;
        let rounds = STATS.far_rounds_peak.get();
        fixture.edit(|log| replace(log, 32_769, &two()))?;
        assert_eq!(fixture.insns().len(), LEN + 4);
        assert!(STATS.far_rounds_peak.get() >= rounds.max(3));
        Ok(())
    }

    #[test]
    fn positions_of_a_relaxed_jump() -> Result {
        let mut insns = KVVec::new();
        insns.resize(LEN, mov(0), GFP_KERNEL)?;
        insns[0] = jeq7(MAX);
        insns[LEN - 1] = exit();
        let extras = Extras {
            lines: &[0, 1, 2],
            array: &[0, 1, 2],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.relax_far_jumps(true);
        fixture.edit(|log| replace(log, 9, &two()))?;
        assert!(fixture.array_is(&[0, 2, 3]));
        let program = fixture.program();
        assert!(are(program.linfo, |l| l.insn_off, &[0, 2, 3]));
        Ok(())
    }

    #[test]
    fn static_branch_and_its_position() -> Result {
        for flags in STATIC_BRANCHES {
            let near = |off| static_branch(ja(off), flags);
            let mut insns = KVVec::new();
            insns.resize(LEN, mov(0), GFP_KERNEL)?;
            insns[0] = near(MAX);
            insns[1] = near(0);
            insns[LEN - 2] = near(i16::MIN);
            insns[LEN - 1] = exit();
            let last = LEN as u32 - 2;
            let extras = Extras {
                array: &[0, 1, last],
                ..Extras::default()
            };
            let mut fixture = Fixture::of(&insns, &extras)?;
            fixture.relax_far_jumps(true);
            fixture.edit(|log| replace(log, 9_000, &two()))?;
            let wide = |imm| static_branch(gotol(imm), flags);
            assert!(has(&fixture, 0, &[wide(i32::from(MAX) + 1), near(0)]));
            assert!(has(&fixture, LEN - 1, &[wide(i32::from(i16::MIN) - 1)]));
            assert!(fixture.array_is(&[0, 1, last + 1]));
        }
        Ok(())
    }

    #[test]
    fn jump_that_fits_once_it_is_replaced() -> Result {
        let mut fixture = far(&[(LEN - 2, ja(i16::MIN))])?;
        fixture.edit(|log| {
            replace(log, 900, &two())?;
            replace(log, (LEN - 2) as u32, &[mov(5)])
        })?;
        assert_eq!(fixture.insns().len(), LEN + 1);
        assert!(has(&fixture, LEN - 1, &[mov(5)]));
        Ok(())
    }

    #[test]
    fn jump_in_front_of_what_jumps_skip() -> Result {
        // If it is not taken, it goes on to the prefix, which the end of its patch would skip.
        let mut fixture = far(&[(0, jeq7(MAX)), (1, mov(3))])?;
        let result = fixture.edit(|log| {
            prepend_behind(log, 1, &[mov(9)])?;
            replace(log, 9, &two())
        });
        assert_eq!(result, Err(ERANGE));
        // One that is always taken does not.
        let mut fixture = far(&[(0, ja(MAX)), (1, mov(3))])?;
        fixture.edit(|log| {
            prepend_behind(log, 1, &[mov(9)])?;
            replace(log, 9, &two())
        })
    }

    #[test]
    fn refused_if_it_is_told_so() -> Result {
        let mut fixture = Fixture::long(LEN, &[(0, ja(MAX))])?;
        let relaxed = STATS.far_sessions.get();
        let result = fixture.edit(|log| replace(log, 9, &two()));
        assert_eq!(result, Err(ERANGE));
        assert_eq!(STATS.far_sessions.get(), relaxed);
        Ok(())
    }
}
