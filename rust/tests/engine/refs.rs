// SPDX-License-Identifier: GPL-2.0

//! Jumps in all their forms, calls and subprog addresses.

use super::harness::*;
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_refs)]
mod tests {
    use super::*;

    #[test]
    fn forward_and_backward_across_a_patch() -> Result {
        let insns = [jeq(1, 2), mov(1), mov(2), jeq(2, -3), exit()];
        let case = Case::new(&insns)?.edit(|log| replace(log, 1, &[mov(10), mov(11), mov(12)]))?;
        assert!(case.is(&[
            jeq(1, 4),
            mov(10),
            mov(11),
            mov(12),
            mov(2),
            jeq(2, -5),
            exit()
        ]));
        Ok(())
    }

    #[test]
    fn jump_to_a_patched_insn_lands_on_the_first() -> Result {
        let insns = [ja(1), mov(1), mov(2), jeq(2, -2), exit()];
        let case = Case::new(&insns)?.edit(|log| replace(log, 2, &[mov(20), mov(21)]))?;
        assert!(case.is(&[ja(1), mov(1), mov(20), mov(21), jeq(2, -3), exit()]));
        Ok(())
    }

    #[test]
    fn gotol_and_may_goto() -> Result {
        let insns = [gotol(2), may_goto(1), mov(2), gotol(-3), exit()];
        let case = Case::new(&insns)?.edit(|log| replace(log, 2, &[mov(20), mov(21)]))?;
        assert!(case.is(&[gotol(3), may_goto(2), mov(20), mov(21), gotol(-4), exit()]));
        Ok(())
    }

    #[test]
    fn calls_and_addresses_of_subprogs() -> Result {
        let [f0, f1] = func(3);
        let insns = [call(4), f0, f1, helper(7), exit(), mov(5), exit()];
        let case = Case::new(&insns)?.with_subprogs(&[0, 5, 7])?;
        let case = case.edit(|log| replace(log, 3, &[mov(3), kfunc(7), helper(8)]))?;
        let [f0, f1] = func(5);
        assert!(case.is(&[
            call(6),
            f0,
            f1,
            mov(3),
            kfunc(7),
            helper(8),
            exit(),
            mov(5),
            exit()
        ]));
        assert!(case.starts_are(&[0, 7, 9]));
        Ok(())
    }

    #[test]
    fn references_of_a_patch() -> Result {
        // Into itself, to the insn behind it, to insns further behind and in front.
        let insns = [mov(0), mov(1), mov(2), mov(3), exit()];
        let patch = [jeq(1, 1), jeq(2, 3), jeq(3, 1), jeq(4, -5), ja(-5)];
        let case = Case::new(&insns)?.edit(|log| {
            replace(log, 0, &[mov(10), mov(11)])?;
            replace(log, 1, &patch)?;
            replace(log, 2, &[mov(20), mov(21)])
        })?;
        let patch = [jeq(1, 1), jeq(2, 3), jeq(3, 1), jeq(4, -6), ja(-5)];
        let expected = [
            mov(10),
            mov(11),
            patch[0],
            patch[1],
            patch[2],
            patch[3],
            patch[4],
            mov(20),
            mov(21),
            mov(3),
            exit(),
        ];
        assert!(case.is(&expected));
        Ok(())
    }

    #[test]
    fn patch_jumps_behind_later_patches() -> Result {
        // To insn 3, which is two insns further once insns 1 and 2 have grown.
        let insns = [mov(0), mov(1), mov(2), mov(3), exit()];
        let case = Case::new(&insns)?.edit(|log| {
            replace(log, 0, &[ja(3), mov(0)])?;
            replace(log, 1, &[mov(10), mov(11)])?;
            replace(log, 2, &[mov(20), mov(21)])
        })?;
        let expected = [
            ja(5),
            mov(0),
            mov(10),
            mov(11),
            mov(20),
            mov(21),
            mov(3),
            exit(),
        ];
        assert!(case.is(&expected));
        Ok(())
    }

    #[test]
    fn jump_to_prepended_insn_lands_on_the_prefix() -> Result {
        let insns = [ja(1), mov(1), mov(2), jeq(2, -2), exit()];
        let case = Case::new(&insns)?.edit(|log| prepend(log, 2, &[mov(20)]))?;
        assert!(case.is(&[ja(1), mov(1), mov(20), mov(2), jeq(2, -3), exit()]));
        Ok(())
    }

    #[test]
    fn jumps_behind_a_prefix_but_calls_in_front() -> Result {
        let insns = [call(1), exit(), mov(2), jeq(2, -2), gotol(-3), exit()];
        let case = Case::new(&insns)?
            .with_subprogs(&[0, 2, 6])?
            .with_linfo(&[0, 2])?;
        let case = case
            .with_array(&[2])?
            .edit(|log| prepend_behind(log, 2, &[mov(20), mov(21)]))?;
        let expected = [
            call(1),
            exit(),
            mov(20),
            mov(21),
            mov(2),
            jeq(2, -2),
            gotol(-3),
            exit(),
        ];
        assert!(case.is(&expected));
        assert!(case.starts_are(&[0, 2, 8]));
        assert!(case.linfo_is(&[(0, 0), (2, 2)]));
        // An indirect jump is a jump.
        assert!(case.array_is(&[4]));
        Ok(())
    }

    #[test]
    fn jump_to_itself_stays_one_behind_a_prefix() -> Result {
        let case = Case::new(&[mov(0), ja(-1), exit()])?.edit(|log| prepend(log, 1, &[mov(10)]))?;
        assert!(case.is(&[mov(0), mov(10), ja(-1), exit()]));
        Ok(())
    }

    #[test]
    fn backward_jump_behind_its_own_prefix() -> Result {
        let insns = [mov(0), mov(1), jeq(2, -2), exit()];
        let case = Case::new(&insns)?.edit(|log| prepend(log, 2, &[mov(20)]))?;
        assert!(case.is(&[mov(0), mov(1), mov(20), jeq(2, -3), exit()]));
        Ok(())
    }

    #[test]
    fn backward_call_behind_its_own_prefix() -> Result {
        let insns = [
            call(3),
            exit(),
            mov(2),
            exit(),
            call(-3),
            may_goto(0),
            exit(),
        ];
        let case = Case::new(&insns)?.with_subprogs(&[0, 2, 4, 7])?;
        let case = case.edit(|log| prepend_behind(log, 4, &[mov(40)]))?;
        let expected = [
            call(3),
            exit(),
            mov(2),
            exit(),
            mov(40),
            call(-4),
            may_goto(0),
            exit(),
        ];
        assert!(case.is(&expected));
        Ok(())
    }

    #[test]
    fn jump_to_body_skips_the_prefix() -> Result {
        // The epilogue stands for exit 1, which has a barrier in front; exit 3 jumps to it.
        let insns = [mov(0), exit(), mov(2), exit()];
        let case = Case::new(&insns)?.edit(|log| {
            prepend(log, 1, &[mov(9)])?;
            replace(log, 1, &[mov(10), exit()])?;
            replace_to_body(log, 3, &[gotol(-3)])
        })?;
        assert!(case.is(&[mov(0), mov(9), mov(10), exit(), mov(2), gotol(-4)]));
        Ok(())
    }

    #[test]
    fn gotox_keeps_its_off() -> Result {
        let insns = [mov(0), gotox(), mov(2), exit()];
        let case = Case::new(&insns)?.edit(|log| replace(log, 2, &[mov(20), mov(21)]))?;
        assert!(case.is(&[mov(0), gotox(), mov(20), mov(21), exit()]));
        Ok(())
    }

    #[test]
    fn gotox_in_front_of_a_prefix_that_jumps_skip() -> Result {
        let case = Case::new(&[mov(0), gotox(), mov(2), exit()])?;
        let case = case.edit(|log| prepend_behind(log, 2, &[mov(20)]))?;
        assert!(case.is(&[mov(0), gotox(), mov(20), mov(2), exit()]));
        Ok(())
    }
}
