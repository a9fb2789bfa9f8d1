// SPDX-License-Identifier: GPL-2.0

//! What is refused, and that nothing has changed then.

use super::harness::*;
use crate::engine::{
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    reach::{
        self,
        Failure,
        TooFar, //
    }, //
};
use kernel::prelude::*;

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
        prepend(&mut log, 3, &[mov(0)])?;
        replace(&mut log, 6, &[mov(0)])?;
        assert_eq!(log.edits().len(), 3);

        let mut log = Log::new(8);
        remove(&mut log, 4, 2)?;
        assert_eq!(remove(&mut log, 4, 2), Err(EINVAL));
        assert_eq!(remove(&mut log, 5, 1), Err(EINVAL));
        remove(&mut log, 6, 1)?;
        assert_eq!(log.edits().len(), 2);
        Ok(())
    }

    #[test]
    fn edits_that_do_not_ascend() -> Result {
        let mut log = Log::new(8);
        replace(&mut log, 4, &[mov(0)])?;
        assert_eq!(replace(&mut log, 3, &[mov(0)]), Err(EINVAL));
        assert_eq!(prepend(&mut log, 0, &[mov(0)]), Err(EINVAL));
        assert_eq!(log.edits().len(), 1);

        let mut log = Log::new(8);
        remove(&mut log, 4, 1)?;
        assert_eq!(remove(&mut log, 2, 1), Err(EINVAL));
        assert_eq!(remove(&mut log, 2, 3), Err(EINVAL));
        remove(&mut log, 5, 1)
    }

    #[test]
    fn session_that_adds_and_removes() -> Result {
        for add in [replace, prepend, prepend_behind, replace_to_body] {
            let mut log = Log::new(8);
            add(&mut log, 2, &[mov(0)])?;
            let bytes = log.bytes();
            assert_eq!(remove(&mut log, 3, 1), Err(EINVAL));
            assert_eq!(log.sum().longest_removal, 0);
            assert_eq!((log.edits().len(), log.bytes()), (1, bytes));
            add(&mut log, 3, &[mov(0)])?;

            let mut log = Log::new(8);
            remove(&mut log, 2, 1)?;
            assert_eq!(add(&mut log, 3, &two()), Err(EINVAL));
            assert_eq!((log.sum().added, log.patches_len()), (0, 0));
            assert!(log.edits().len() == 1 && !log.sum().skips);
            remove(&mut log, 3, 1)?;
        }
        Ok(())
    }

    #[test]
    fn what_jumps_skip_behind_what_they_do_not() -> Result {
        let mut log = Log::new(8);
        prepend_behind(&mut log, 2, &[mov(0)])?;
        prepend_behind(&mut log, 2, &[mov(1)])?;
        prepend(&mut log, 2, &[mov(2)])?;
        let sum = log.sum().added;
        assert_eq!(prepend_behind(&mut log, 2, &[mov(3)]), Err(EINVAL));
        assert_eq!((log.sum().added, log.patches_len()), (sum, 3));
        // The insn may still be edited, and so may the next one.
        prepend(&mut log, 2, &[mov(4)])?;
        assert_eq!(prepend_behind(&mut log, 2, &[mov(5)]), Err(EINVAL));
        replace(&mut log, 2, &[mov(6)])?;
        prepend_behind(&mut log, 3, &[mov(7)])?;
        assert_eq!(log.edits().len(), 6);
        Ok(())
    }

    #[test]
    fn removal_that_brings_insns() {
        let mut log = Log::new(8);
        let result = log.record(2, Kind::Remove, &[mov(0)]);
        assert_eq!(result, Err(EINVAL));
    }

    #[test]
    fn whom_a_failure_blames() {
        let too_far = Failure::TooFar(TooFar {
            jump: Some(3),
            blamed: 7,
        });
        assert_eq!((too_far.error(), too_far.blamed()), (ERANGE, Some(7)));
        let other = Failure::from(ENOMEM);
        assert_eq!((other.error(), other.blamed()), (ENOMEM, None));
    }

    #[test]
    fn process_that_is_being_killed() -> Result {
        let insns = [mov(0), exit()];
        let mut log = Log::new(2);
        replace(&mut log, 0, &[mov(1), mov(2)])?;
        let layout = Layout::new(&log)?;
        let check = |goes_on| reach::check(&insns, &layout, &mut TestHost::that_goes_on(goes_on));
        assert_eq!(check(0), Err(Failure::Other(EINTR)));
        assert_eq!(check(1), Ok(()));
        Ok(())
    }

    #[test]
    fn process_that_is_killed_later() -> Result {
        let mut insns = KVVec::new();
        insns.resize(3 * reach::POLL as usize, mov(0), GFP_KERNEL)?;
        let mut log = Log::new(insns.len() as u32);
        replace(&mut log, 0, &[mov(1), mov(2)])?;
        let layout = Layout::new(&log)?;
        let check = |layout: &Layout<'_>, goes_on| {
            let mut host = TestHost::that_goes_on(goes_on);
            (reach::check(&insns, layout, &mut host), host.asked)
        };
        // At the start, and after each of three times so many insns.
        assert_eq!(check(&layout, u32::MAX), (Ok(()), 4));
        assert_eq!(check(&layout, 2), (Err(Failure::Other(EINTR)), 3));

        // Where no insn moves, nothing has to be checked.
        let mut log = Log::new(insns.len() as u32);
        replace(&mut log, 0, &[mov(1)])?;
        assert_eq!(check(&Layout::new(&log)?, u32::MAX), (Ok(()), 1));
        Ok(())
    }
}
