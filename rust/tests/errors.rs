// SPDX-License-Identifier: GPL-2.0

//! What is refused, and that nothing has changed then.

use super::harness::*;
use crate::{
    abi::Insn,
    jumps,
    layout::Layout,
    log::Log, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// `ja(off)`, then `n` insns, then exit.
fn jump_across(off: i16, n: usize) -> Result<KVec<Insn>> {
    let mut insns = KVec::new();
    insns.push(ja(off), GFP_KERNEL)?;
    insns.extend_with(n, mov(1), GFP_KERNEL)?;
    insns.push(exit(), GFP_KERNEL)?;
    Ok(insns)
}

/// The insn that is blamed for a jump that no longer fits, if there is one.
fn blamed(insns: &[Insn], record: impl FnOnce(&mut Log) -> Result) -> Result<Option<u32>> {
    let mut log = Log::new(insns.len() as u32);
    record(&mut log)?;
    let layout = Layout::new(&log)?;
    Ok(jumps::check(insns, &layout, &log)
        .err()
        .map(|too_far| too_far.idx))
}

#[kunit_tests(bpf_patcher_errors)]
mod tests {
    use super::*;

    #[test]
    fn edits_outside_the_program() -> Result {
        let mut log = Log::new(4);
        assert_eq!(replace(&mut log, 4, &[mov(0)]), Err(EINVAL));
        assert_eq!(prepend(&mut log, 4, &[mov(0)]), Err(EINVAL));
        assert_eq!(remove(&mut log, 3, 2), Err(EINVAL));
        assert_eq!(remove(&mut log, u32::MAX, 2), Err(EINVAL));
        assert_eq!(remove(&mut log, 0, u32::MAX), Err(EINVAL));
        assert!(log.edits().is_empty());
        remove(&mut log, 2, 2)
    }

    #[test]
    fn empty_edits() -> Result {
        let mut log = Log::new(4);
        assert_eq!(replace(&mut log, 0, &[]), Err(EINVAL));
        assert_eq!(prepend(&mut log, 0, &[]), Err(EINVAL));
        assert_eq!(remove(&mut log, 0, 0), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn edits_that_overlap() -> Result {
        let mut log = Log::new(8);
        replace(&mut log, 2, &[mov(0)])?;
        assert_eq!(replace(&mut log, 2, &[mov(0)]), Err(EINVAL));
        assert_eq!(prepend(&mut log, 2, &[mov(0)]), Err(EINVAL));
        assert_eq!(remove(&mut log, 2, 1), Err(EINVAL));
        prepend(&mut log, 3, &[mov(0)])?;
        assert_eq!(remove(&mut log, 3, 1), Err(EINVAL));
        remove(&mut log, 4, 2)?;
        assert_eq!(replace(&mut log, 5, &[mov(0)]), Err(EINVAL));
        replace(&mut log, 6, &[mov(0)])?;
        assert_eq!(log.edits().len(), 4);
        log.sort()
    }

    #[test]
    fn edits_that_overlap_backwards() -> Result {
        let mut log = Log::new(8);
        replace(&mut log, 3, &[mov(0)])?;
        remove(&mut log, 2, 2)?;
        assert_eq!(log.sort(), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn jump_that_just_fits() -> Result {
        let insns = jump_across(i16::MAX - 1, 40_000)?;
        let blamed = blamed(&insns, |log| replace(log, 5, &[mov(0), mov(1)]))?;
        assert_eq!(blamed, None);
        Ok(())
    }

    #[test]
    fn jump_that_no_longer_fits() -> Result {
        // The third patch is one too many; the fourth and one behind the target do no harm.
        let insns = jump_across(i16::MAX - 2, 40_000)?;
        let blamed = blamed(&insns, |log| {
            for idx in [3, 7, 11, 20, 39_000] {
                replace(log, idx, &[mov(0), mov(1)])?;
            }
            Ok(())
        })?;
        assert_eq!(blamed, Some(11));
        Ok(())
    }

    #[test]
    fn backward_jump_that_no_longer_fits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(-32_767);
        let blamed = blamed(&insns, |log| {
            for idx in [2, 4, 9, 30] {
                replace(log, idx, &[mov(0), mov(1)])?;
            }
            Ok(())
        })?;
        assert_eq!(blamed, Some(9));
        Ok(())
    }

    #[test]
    fn jump_of_a_patch_that_does_not_fit() -> Result {
        let insns = jump_across(0, 40_000)?;
        let blamed = blamed(&insns, |log| {
            replace(log, 3, &[mov(0), ja(i16::MAX)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(blamed, Some(9));
        Ok(())
    }

    #[test]
    fn patches_in_front_of_a_backward_jump_and_its_target() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(i16::MIN);
        // The target is 3: what is in front of it does no harm.
        let blamed = blamed(&insns, |log| {
            replace(log, 2, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(blamed, Some(9));
        Ok(())
    }

    #[test]
    fn backward_jump_of_a_patch_that_does_not_fit() -> Result {
        let insns = jump_across(0, 40_000)?;
        let blamed = blamed(&insns, |log| {
            replace(log, 5, &[mov(0), mov(1)])?;
            replace(log, 9, &[mov(0), mov(1)])?;
            // Made when those in front of it have been made.
            replace(log, 32_766, &[mov(0), ja(-32_767)])
        })?;
        assert_eq!(blamed, Some(32_766));
        Ok(())
    }

    #[test]
    fn jump_that_does_not_fit_until_it_is_replaced() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_770] = ja(i16::MIN);
        let blamed = blamed(&insns, |log| {
            replace(log, 9, &[mov(0), mov(1)])?;
            replace(log, 32_770, &[mov(0)])
        })?;
        assert_eq!(blamed, Some(9));
        Ok(())
    }

    #[test]
    fn jump_behind_a_prefix_that_no_longer_fits() -> Result {
        let insns = jump_across(i16::MAX, 40_000)?;
        let blamed = blamed(&insns, |log| {
            prepend(log, 0, &[mov(0)])?;
            replace(log, 9, &[mov(0), mov(1)])
        })?;
        assert_eq!(blamed, Some(9));
        Ok(())
    }

    #[test]
    fn jump_behind_a_prefix_that_fits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[20_000] = ja(5);
        let blamed = blamed(&insns, |log| {
            prepend(log, 20_000, &[mov(0), mov(1), mov(2)])
        })?;
        assert_eq!(blamed, None);
        Ok(())
    }

    #[test]
    fn jump_to_a_prefix_that_it_will_skip() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[32_767] = ja(i16::MIN);
        // Behind the prefix it fits, but stock first has it lead in front.
        let blamed = blamed(&insns, |log| prepend_behind(log, 0, &[mov(0)]))?;
        assert_eq!(blamed, Some(0));
        Ok(())
    }

    #[test]
    fn gotol_is_measured_in_32_bits() -> Result {
        let mut insns = jump_across(0, 40_000)?;
        insns[0] = gotol(i16::MAX.into());
        let blamed = blamed(&insns, |log| replace(log, 5, &[mov(0), mov(1)]))?;
        assert_eq!(blamed, None);
        Ok(())
    }

    #[test]
    fn another_version_of_the_contract() {
        let ops = bindings::bpf_patcher_ops {
            version: bindings::BPF_PATCHER_VERSION + 1,
            ..Default::default()
        };
        // SAFETY: It is refused, so nothing keeps it.
        let result = to_result(unsafe { bindings::bpf_patcher_register(&ops) });
        assert_eq!(result, Err(EPROTO));
    }

    #[test]
    fn a_second_patcher() {
        let ops = bindings::bpf_patcher_ops {
            version: bindings::BPF_PATCHER_VERSION,
            ..Default::default()
        };
        // SAFETY: It is refused, as we are registered already, so nothing keeps it.
        let result = to_result(unsafe { bindings::bpf_patcher_register(&ops) });
        assert_eq!(result, Err(EBUSY));
    }
}
