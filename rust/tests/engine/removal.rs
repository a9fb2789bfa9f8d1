// SPDX-License-Identifier: GPL-2.0

//! What becomes of what refers to removed insns.

use super::harness::*;
use crate::engine::positions::INSN_DELETED;
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_removal)]
mod tests {
    use super::*;

    #[test]
    fn jumps_shrink() -> Result {
        let insns = [jeq(1, 2), mov(1), mov(2), jeq(2, -4), exit()];
        let case = Case::new(&insns)?.edit(|log| remove(log, 1, 2))?;
        assert!(case.is(&[jeq(1, 0), jeq(2, -2), exit()]));
        Ok(())
    }

    #[test]
    fn jump_to_a_removed_insn_goes_to_the_next() -> Result {
        let insns = [jeq(1, 1), mov(1), ja(0), ja(0), mov(4), jeq(2, -4), exit()];
        let case = Case::new(&insns)?.edit(|log| {
            remove(log, 2, 1)?;
            remove(log, 3, 1)
        })?;
        assert!(case.is(&[jeq(1, 1), mov(1), mov(4), jeq(2, -2), exit()]));
        Ok(())
    }

    #[test]
    fn jump_that_comes_to_lead_to_itself() -> Result {
        let insns = [mov(0), mov(1), mov(2), ja(-3), exit()];
        let case = Case::new(&insns)?.edit(|log| remove(log, 1, 2))?;
        assert!(case.is(&[mov(0), ja(-1), exit()]));
        Ok(())
    }

    #[test]
    fn address_of_a_removed_subprog() -> Result {
        // The first insn of a removed run is followed by the next that stays; one further in
        // keeps its distance, as stock has it.
        let [f0, f1] = func(4);
        let insns = [
            f0,
            f1,
            exit(),
            mov(3),
            exit(),
            mov(5),
            exit(),
            mov(7),
            exit(),
        ];
        let case = Case::new(&insns)?.with_subprogs(&[0, 3, 5, 7, 9])?;
        let case = case.edit(|log| remove(log, 3, 4))?;
        let [f0, f1] = func(4);
        assert!(case.is(&[f0, f1, exit(), mov(7), exit()]));
        Ok(())
    }

    #[test]
    fn aux_closes_up() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.edit(|log| remove(log, 1, 2))?;
        assert!(case.aux_is(|a| a.orig_idx, &[0, 3]));
        Ok(())
    }

    #[test]
    fn linfo_of_removed_insns_goes() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.with_linfo(&[0, 1, 2, 3])?;
        let case = case.edit(|log| remove(log, 1, 2))?;
        assert!(case.linfo_is(&[(0, 0), (1, 3)]));
        Ok(())
    }

    #[test]
    fn insn_behind_a_run_inherits_the_last_linfo() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.with_linfo(&[0, 1, 2])?;
        let case = case.edit(|log| remove(log, 1, 2))?;
        assert!(case.linfo_is(&[(0, 0), (1, 2)]));
        Ok(())
    }

    #[test]
    fn nothing_inherits_behind_the_end() -> Result {
        let case = Case::new(&[mov(0), exit(), mov(2), mov(3)])?.with_linfo(&[0, 2, 3])?;
        let case = case.edit(|log| remove(log, 2, 2))?;
        assert!(case.linfo_is(&[(0, 0)]));
        Ok(())
    }

    #[test]
    fn neighbouring_removals_inherit_as_one() -> Result {
        let case = Case::new(&[mov(0), ja(0), ja(0), exit()])?.with_linfo(&[0, 1, 2])?;
        let case = case.edit(|log| {
            remove(log, 1, 1)?;
            remove(log, 2, 1)
        })?;
        assert!(case.linfo_is(&[(0, 0), (1, 2)]));
        Ok(())
    }

    #[test]
    fn whole_subprogs_go_with_their_func_info() -> Result {
        let insns = [
            call(5),
            exit(),
            mov(2),
            exit(),
            mov(4),
            exit(),
            mov(6),
            exit(),
        ];
        let case = Case::new(&insns)?.with_subprogs(&[0, 2, 4, 6, 8])?;
        let case = case
            .with_linfo(&[0, 2, 4, 6])?
            .edit(|log| remove(log, 2, 4))?;
        assert!(case.starts_are(&[0, 2, 4]));
        assert!(case.is(&[call(1), exit(), mov(6), exit()]));
        assert!(are(&case.func_info, |f| f.type_id, &[0, 3]));
        assert!(are(&case.func_info_aux, |f| f.linkage.into(), &[0, 3]));
        assert!(case.linfo_is(&[(0, 0), (2, 6)]));
        assert!(are(&case.subprogs, |s| s.linfo_idx, &[0, 1, 0]));
        Ok(())
    }

    #[test]
    fn last_subprog_goes() -> Result {
        let insns = [mov(0), exit(), mov(2), exit()];
        let case = Case::new(&insns)?
            .with_subprogs(&[0, 2, 4])?
            .with_linfo(&[0, 2])?;
        let case = case.edit(|log| remove(log, 2, 2))?;
        assert!(case.starts_are(&[0, 2]));
        assert!(are(&case.func_info, |f| f.type_id, &[0]));
        assert!(case.linfo_is(&[(0, 0)]));
        Ok(())
    }

    #[test]
    fn subprog_that_loses_its_front_stays() -> Result {
        let insns = [call(2), exit(), mov(2), mov(3), mov(4), exit()];
        let case = Case::new(&insns)?
            .with_subprogs(&[0, 2, 6])?
            .with_linfo(&[0, 2, 3, 5])?;
        let case = case.edit(|log| remove(log, 2, 2))?;
        assert!(case.starts_are(&[0, 2, 4]));
        assert!(case.linfo_is(&[(0, 0), (2, 3), (3, 5)]));
        assert!(are(&case.subprogs, |s| s.linfo_idx, &[0, 1, 0]));
        Ok(())
    }

    #[test]
    fn insn_array_marks_what_is_gone() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?;
        let case = case.with_array(&[0, 1, 2, INSN_DELETED, 3])?;
        let case = case.edit(|log| remove(log, 1, 1))?;
        assert!(case.array_is(&[0, INSN_DELETED, 1, INSN_DELETED, 2]));
        Ok(())
    }

    #[test]
    fn references_into_removed_runs_that_follow_each_other() -> Result {
        // To insn 3, the second of a run of 3: on to insn 6, the second of the next run of 3, and
        // on to insn 9. To insn 4, the third: on to 7 and 10, behind the program, and as far behind
        // it then.
        let far = |to: i32, from: i32| func(to - from - 1);
        let ([a0, a1], [b0, b1]) = (far(3, 0), far(4, 9));
        let insns = [
            a0,
            a1,
            mov(2),
            mov(3),
            mov(4),
            mov(5),
            mov(6),
            mov(7),
            mov(8),
            b0,
            b1,
        ];
        let case = Case::new(&insns)?.edit(|log| {
            remove(log, 2, 3)?;
            remove(log, 5, 3)
        })?;
        // Insns 8, 9 and 10 are 2, 3 and 4 now.
        let ([a0, a1], [b0, b1]) = (far(3, 0), far(4, 3));
        assert!(case.is(&[a0, a1, mov(8), b0, b1]));
        Ok(())
    }

    #[test]
    fn reference_into_a_removed_run_at_the_end() -> Result {
        let [lo, hi] = func(2);
        let insns = [lo, hi, exit(), mov(3), mov(4)];
        // Insn 3 is the second of 3: as far behind the end.
        let case = Case::new(&insns)?.edit(|log| remove(log, 2, 3))?;
        assert!(case.is(&[func(2)[0], hi]));
        Ok(())
    }
}
