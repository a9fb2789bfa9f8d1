// SPDX-License-Identifier: GPL-2.0

//! Jumps that 16 bits do not reach any more, and who is to blame.

use super::harness::*;
use crate::engine::{
    abi::Insn,
    layout::Layout,
    log::Log,
    reach::{
        self,
        Failure, //
    }, //
};
use kernel::prelude::*;

/// `ja(off)`, then `n` insns, then exit.
fn jump_across(off: i16, n: usize) -> Result<KVVec<Insn>> {
    let mut insns = KVVec::new();
    insns.push(ja(off), GFP_KERNEL)?;
    insns.extend_with(n, mov(1), GFP_KERNEL)?;
    insns.push(exit(), GFP_KERNEL)?;
    Ok(insns)
}

/// The jump that no longer fits, if there is one, and the insn that is blamed.
fn too_far(insns: &[Insn], record: impl FnOnce(&mut Log) -> Result) -> Result<Option<(u32, u32)>> {
    let mut log = Log::new(insns.len() as u32);
    record(&mut log)?;
    let layout = Layout::new(&log)?;
    match reach::check(insns, &layout, &mut TestHost::that_goes_on(u32::MAX)) {
        Ok(()) => Ok(None),
        Err(Failure::TooFar(too_far)) => Ok(Some((too_far.jump.ok_or(EINVAL)?, too_far.blamed))),
        Err(Failure::Other(error)) => Err(error),
    }
}

#[kunit_tests(bpf_patcher_reach)]
mod tests {
    use super::*;

    const MAX: i16 = i16::MAX;

    #[test]
    fn jump_that_just_fits() -> Result {
        let insns = jump_across(MAX - 1, 40_000)?;
        let result = too_far(&insns, |log| replace(log, 5, &[mov(0), mov(1)]))?;
        assert_eq!(result, None);
        Ok(())
    }

    #[test]
    fn jump_that_no_longer_fits() -> Result {
        // The third patch is one too many; the fourth and one behind the target do no harm.
        let insns = jump_across(MAX - 2, 40_000)?;
        let result = too_far(&insns, |log| {
            for idx in [3, 7, 11, 20, 39_000] {
                replace(log, idx, &[mov(0), mov(1)])?;
            }
            Ok(())
        })?;
        assert_eq!(result, Some((0, 11)));
        Ok(())
    }

    #[test]
    fn backward_jump_that_no_longer_fits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(-32_767);
        let result = too_far(&insns, |log| {
            for idx in [2, 4, 9, 30] {
                replace(log, idx, &[mov(0), mov(1)])?;
            }
            Ok(())
        })?;
        assert_eq!(result, Some((32_770, 9)));
        Ok(())
    }

    #[test]
    fn two_jumps_of_which_the_second_is_the_first_too_far() -> Result {
        let mut insns = jump_across(MAX - 1, 40_000)?;
        insns[1] = ja(MAX);
        let result = too_far(&insns, |log| {
            replace(log, 5, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(result, Some((1, 5)));
        Ok(())
    }

    #[test]
    fn two_jumps_that_one_edit_makes_too_far() -> Result {
        let mut insns = jump_across(MAX - 1, 40_000)?;
        insns[1] = ja(MAX - 1);
        let result = too_far(&insns, |log| {
            replace(log, 5, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(result, Some((0, 9)));
        Ok(())
    }

    #[test]
    fn jump_of_a_patch_that_does_not_fit() -> Result {
        let insns = jump_across(0, 40_000)?;
        let result = too_far(&insns, |log| {
            replace(log, 3, &[mov(0), ja(MAX)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(result, Some((3, 9)));
        Ok(())
    }

    #[test]
    fn patches_in_front_of_a_backward_jump_and_its_target() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(i16::MIN);
        // The target is 3: what is in front of it does no harm.
        let result = too_far(&insns, |log| {
            replace(log, 2, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(result, Some((32_770, 9)));
        Ok(())
    }

    #[test]
    fn backward_jump_of_a_patch_that_does_not_fit() -> Result {
        let insns = jump_across(0, 40_000)?;
        let result = too_far(&insns, |log| {
            replace(log, 5, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])?;
            // Made when those in front of it have been made.
            replace(log, 32_766, &[mov(0), ja(-32_767)])
        })?;
        assert_eq!(result, Some((32_766, 32_766)));
        Ok(())
    }

    #[test]
    fn jump_that_does_not_fit_until_it_is_replaced() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(i16::MIN);
        let result = too_far(&insns, |log| {
            replace(log, 9, &[mov(0), mov(1)])?;
            replace(log, 32_770, &[mov(0)])
        })?;
        assert_eq!(result, Some((32_770, 9)));
        Ok(())
    }

    #[test]
    fn jump_behind_a_prefix_that_no_longer_fits() -> Result {
        let insns = jump_across(MAX, 40_000)?;
        let result = too_far(&insns, |log| {
            prepend(log, 0, &[mov(0)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(result, Some((0, 9)));
        Ok(())
    }

    #[test]
    fn backward_jump_that_does_not_fit_behind_its_prefix() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_767] = ja(i16::MIN);
        let result = too_far(&insns, |log| prepend(log, 32_767, &[mov(0)]))?;
        assert_eq!(result, Some((32_767, 32_767)));
        Ok(())
    }

    #[test]
    fn jump_behind_a_prefix_that_fits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[20_000] = ja(5);
        let prefix = [mov(0), mov(1), mov(2)];
        let result = too_far(&insns, |log| prepend(log, 20_000, &prefix))?;
        assert_eq!(result, None);
        Ok(())
    }

    #[test]
    fn jump_to_a_prefix_that_it_will_skip() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_767] = ja(i16::MIN);
        // Behind the prefix it fits, but stock first has it lead in front.
        let result = too_far(&insns, |log| prepend_behind(log, 0, &[mov(0)]))?;
        assert_eq!(result, Some((32_767, 0)));
        Ok(())
    }

    #[test]
    fn jump_to_a_prologue_that_it_will_skip() -> Result {
        let three = [mov(0), mov(1), mov(2)];
        let many = [mov(0); 9];
        let mut insns = jump_across(0, 40_000)?;
        insns[32_760] = ja(-32_761);
        // It has to reach in front of the prologue as long as nothing else is there.
        let session = |cnt| {
            too_far(&insns, |log| {
                prepend_behind(log, 0, &three)?;
                replace(log, 5, &many[..cnt])
            })
        };
        assert_eq!(session(8)?, None);
        assert_eq!(session(9)?, Some((32_760, 5)));
        let result = too_far(&insns, |log| prepend_behind(log, 0, &many))?;
        assert_eq!(result, Some((32_760, 0)));
        Ok(())
    }

    #[test]
    fn jump_to_the_next_insn_in_place_of_which_many_come() -> Result {
        let insns = jump_across(0, 40_000)?;
        let mut many = KVVec::new();
        many.resize(32_769, mov(0), GFP_KERNEL)?;
        // It is gone before it would have to reach behind them.
        let result = too_far(&insns, |log| replace(log, 0, &many))?;
        assert_eq!(result, None);
        Ok(())
    }

    #[test]
    fn jump_in_front_of_an_insn_that_is_patched_again() -> Result {
        let insns = jump_across(0, 40_000)?;
        let two = [mov(0), mov(1)];
        let result = too_far(&insns, |log| {
            prepend(log, 3, &[ja(MAX - 1)])?;
            prepend(log, 3, &two)?;
            replace(log, 9, &two)
        })?;
        assert_eq!(result, Some((3, 3)));
        Ok(())
    }

    #[test]
    fn jump_in_front_of_an_insn_that_is_replaced() -> Result {
        let insns = jump_across(0, 40_000)?;
        let (two, three) = ([mov(0), mov(1)], [mov(0), mov(1), mov(2)]);
        // Of 3 there is room for, the replacement takes 2 and insn 7 takes 1.
        let session = |idxs: &[u32]| {
            too_far(&insns, |log| {
                prepend(log, 3, &[ja(MAX - 3)])?;
                replace(log, 3, &three)?;
                idxs.iter().try_for_each(|&idx| replace(log, idx, &two))
            })
        };
        assert_eq!(session(&[7, 11, 20])?, Some((3, 11)));
        assert_eq!(session(&[7])?, None);
        Ok(())
    }

    #[test]
    fn gotol_is_measured_in_32_bits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[0] = gotol(MAX.into());
        let result = too_far(&insns, |log| replace(log, 5, &[mov(0), mov(1)]))?;
        assert_eq!(result, None);
        Ok(())
    }
}
