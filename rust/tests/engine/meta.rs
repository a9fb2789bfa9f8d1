// SPDX-License-Identifier: GPL-2.0

//! What goes along when insns are added: aux data, line info, subprogs, poke descriptors, insn
//! arrays.

use super::harness::*;
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_meta)]
mod tests {
    use super::*;

    #[test]
    fn aux_goes_to_the_last_insn_of_a_group() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?;
        let case = case.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov32(11), mov(12)])
        })?;
        // prepended, replaced twice, then insn 2 and exit
        assert!(case.aux_is(|a| a.orig_idx, &[0, 0, 0, 1, 2, 3]));
        assert!(case.aux_is(|a| a.seen, &[10, 11, 11, 11, 12, 13]));
        Ok(())
    }

    #[test]
    fn aux_of_added_insns_is_zero() -> Result {
        let mut case = Case::new(&[mov(0), mov(1), exit()])?;
        case.aux(1).nospec = true;
        case.aux(1).ctx_field_size = 4;
        case.aux(1).set_jump_target(1);
        let mut case = case.edit(|log| replace(log, 1, &[mov(10), mov(11), mov(12)]))?;
        for i in 1..3 {
            assert!(!case.aux(i).nospec);
            assert_eq!(case.aux(i).ctx_field_size, 0);
            assert_eq!(case.aux(i).jump_target(), 0);
        }
        assert!(case.aux(3).nospec);
        assert_eq!(case.aux(3).ctx_field_size, 4);
        assert_eq!(case.aux(3).jump_target(), 1);
        Ok(())
    }

    #[test]
    fn zext_is_found_anew_where_insns_were_edited() -> Result {
        let mut case = Case::new(&[mov(0), mov32(1), mov(2), mov(3), exit()])?;
        for i in 0..4 {
            case.aux(i).zext_dst = true;
        }
        case.aux(1).zext_dst = false;
        let case = case.edit(|log| {
            // one for one, one prepended to
            replace(log, 2, &[mov(20)])?;
            prepend(log, 3, &[mov32(30)])
        })?;
        assert!(case.aux_is(|a| a.zext_dst.into(), &[1, 0, 0, 1, 0, 0]));
        Ok(())
    }

    #[test]
    fn zext_without_growth() -> Result {
        let case = Case::new(&[mov(0), mov(1), exit()])?;
        let mut case = case.edit(|log| replace(log, 1, &[mov32(10)]))?;
        assert!(case.aux(1).zext_dst);
        assert_eq!(case.aux(1).orig_idx, 1);
        Ok(())
    }

    #[test]
    fn indirect_target_stays_on_the_first_insn() -> Result {
        let mut case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.with_array(&[1, 2])?;
        case.aux(1).set_indirect_target(1);
        case.aux(2).set_indirect_target(1);
        let case = case.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov(11), mov(12)])
        })?;
        assert!(case.aux_is(|a| a.indirect_target(), &[0, 1, 0, 0, 1, 0]));
        assert!(case.array_is(&[1, 4]));
        Ok(())
    }

    #[test]
    fn added_insns_of_unseen_ones_are_unseen() -> Result {
        let mut case = Case::new(&[mov(0), mov(1), exit()])?;
        case.aux(1).seen = 0;
        let case = case.edit(|log| replace(log, 1, &[mov(10), mov(11)]))?;
        assert!(case.aux_is(|a| a.seen, &[10, 0, 0, 12]));
        Ok(())
    }

    #[test]
    fn aux_moves_together_then_apart() -> Result {
        let insns = [mov(0), mov(1), mov(2), mov(3), exit()];
        let mut case = Case::new(&insns)?;
        case.aux(3).set_indirect_target(1);
        let case = case.edit(|log| {
            remove(log, 0, 1)?;
            remove(log, 2, 1)
        })?;
        let case = case.edit(|log| {
            replace(log, 0, &[mov32(10)])?;
            prepend(log, 1, &[mov(30), mov32(31), mov(32)])
        })?;
        assert!(case.aux_is(|a| a.orig_idx, &[1, 0, 0, 0, 3, 4]));
        assert!(case.aux_is(|a| a.seen, &[11, 13, 13, 13, 13, 14]));
        assert!(case.aux_is(|a| a.zext_dst.into(), &[1, 0, 1, 0, 0, 0]));
        assert!(case.aux_is(|a| a.indirect_target(), &[0, 1, 0, 0, 0, 0]));
        Ok(())
    }

    #[test]
    fn aux_of_added_calls() -> Result {
        let insns = [mov(0), mov(1), exit(), mov(3), exit()];
        let case = Case::new(&insns)?.with_subprogs(&[0, 3, 5])?;
        let case = case.edit(|log| {
            replace(log, 0, &[call(4), call(3), mov(0)])?;
            replace(log, 1, &[mov(10), mov(11), mov(1)])
        })?;
        assert!(case.is(&[
            call(6),
            call(5),
            mov(0),
            mov(10),
            mov(11),
            mov(1),
            exit(),
            mov(3),
            exit()
        ]));
        assert!(case.aux_is(|a| a.orig_idx, &[0, 0, 0, 0, 0, 1, 2, 3, 4]));
        Ok(())
    }

    #[test]
    fn aux_through_a_second_session() -> Result {
        let mut case = Case::new(&[mov(0), mov(1), exit()])?;
        case.aux(1).set_indirect_target(1);
        // Edits an added insn, which shares its entry with another, and one that is not.
        let case = case.edit(|log| replace(log, 1, &[mov(10), mov(11), mov(12)]))?;
        let case = case.edit(|log| {
            replace(log, 1, &[mov(20), mov32(21)])?;
            prepend(log, 3, &[mov32(30)])
        })?;
        assert!(case.is(&[
            mov(0),
            mov(20),
            mov32(21),
            mov(11),
            mov32(30),
            mov(12),
            exit()
        ]));
        assert!(case.aux_is(|a| a.orig_idx, &[0, 0, 0, 0, 0, 1, 2]));
        assert!(case.aux_is(|a| a.seen, &[10, 11, 11, 11, 11, 11, 12]));
        assert!(case.aux_is(|a| a.zext_dst.into(), &[0, 0, 1, 0, 1, 0, 0]));
        assert!(case.aux_is(|a| a.indirect_target(), &[0, 1, 0, 0, 0, 0, 0]));
        let case = case.edit(|log| remove(log, 1, 3))?;
        assert!(case.aux_is(|a| a.orig_idx, &[0, 0, 1, 2]));
        let case = case.edit(|log| replace(log, 2, &[mov32(40)]))?;
        assert!(case.aux_is(|a| a.zext_dst.into(), &[0, 1, 1, 0]));
        Ok(())
    }

    #[test]
    fn linfo_moves_with_its_insn() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.with_linfo(&[0, 1, 3])?;
        let case = case.edit(|log| {
            replace(log, 1, &[mov(10), mov(11)])?;
            prepend(log, 2, &[mov(20)])
        })?;
        assert!(case.linfo_is(&[(0, 0), (1, 1), (5, 3)]));
        Ok(())
    }

    #[test]
    fn subprogs_move_and_keep_their_linfo() -> Result {
        let insns = [call(1), exit(), mov(2), exit()];
        let case = Case::new(&insns)?
            .with_subprogs(&[0, 2, 4])?
            .with_linfo(&[0, 2])?;
        let case = case.edit(|log| {
            replace(log, 1, &[mov(10), exit()])?;
            replace(log, 2, &[mov(20), mov(21)])
        })?;
        assert!(case.starts_are(&[0, 3, 6]));
        assert!(case.linfo_is(&[(0, 0), (3, 2)]));
        assert!(are(&case.subprogs, |s| s.linfo_idx, &[0, 1, 0]));
        assert_eq!(case.func_info.len(), 2);
        Ok(())
    }

    #[test]
    fn poke_descriptors_move() -> Result {
        let case = Case::new(&[mov(0), helper(12), mov(2), helper(12), exit()])?;
        let case = case.with_poke(&[1, 3])?.edit(|log| {
            replace(log, 0, &[mov(10), mov(11)])?;
            replace(log, 2, &[mov(20), mov(21), mov(22)])
        })?;
        assert!(case.poke_is(&[2, 6]));
        Ok(())
    }

    #[test]
    fn poke_descriptor_stays_with_its_tail_call() -> Result {
        let case = Case::new(&[helper(12), exit()])?.with_poke(&[0])?;
        let case = case.edit(|log| prepend_behind(log, 0, &[mov(10)]))?;
        assert!(case.poke_is(&[1]));
        Ok(())
    }

    #[test]
    fn poke_descriptor_goes_to_the_last_insn_of_a_group() -> Result {
        let case = Case::new(&[mov(0), helper(12), exit()])?.with_poke(&[1])?;
        let case = case.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov(11), helper(12)])
        })?;
        assert!(case.poke_is(&[3]));
        Ok(())
    }
}
