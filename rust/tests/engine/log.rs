// SPDX-License-Identifier: GPL-2.0

//! What a log counts while edits are recorded, and the room it makes.

use super::harness::*;
use crate::engine::{
    abi::Insn,
    log::{
        Edit,
        Kind,
        Log, //
    }, //
};
use kernel::prelude::*;

/// Records patches of one insn for every other insn, in a log with room for 64 edits and 256 insns,
/// until there are 65. Returns the number of edits that there is room for then.
fn room_after_65(program_len: u32) -> Result<usize> {
    let mut log = Log::new(program_len);
    log.reserve(64, 256)?;
    let patches = 256 * size_of::<Insn>();
    assert_eq!(log.bytes(), 64 * size_of::<Edit>() + patches);
    for k in 0..65 {
        replace(&mut log, 2 * k + 1, &[mov(0)])?;
    }
    Ok((log.bytes() - patches) / size_of::<Edit>())
}

#[kunit_tests(bpf_patcher_log)]
mod tests {
    use super::*;

    #[test]
    fn insns_that_are_added_or_removed() -> Result {
        let mut log = Log::new(20);
        replace(&mut log, 0, &[mov(0)])?;
        assert_eq!(log.sum().added, 0);
        replace(&mut log, 1, &two())?;
        assert_eq!(log.sum().added, 1);
        prepend(&mut log, 2, &two())?;
        assert_eq!(log.sum().added, 3);
        assert_eq!(log.sum().longest_removal, 0);

        let mut log = Log::new(20);
        remove(&mut log, 3, 2)?;
        remove(&mut log, 6, 4)?;
        remove(&mut log, 12, 3)?;
        assert_eq!(log.sum().added, 0);
        assert_eq!(log.sum().longest_removal, 4);
        Ok(())
    }

    #[test]
    fn references_of_patches() -> Result {
        let mut log = Log::new(20);
        let of_last = |log: &Log| log.edits().last().map(|e| e.refers_out);

        // To the patch's own insns, of which the last is one.
        replace(&mut log, 4, &[jeq(1, 1), mov(0), mov(1)])?;
        assert_eq!(of_last(&log), Some(false));
        // Right behind the patch, then right in front of it.
        replace(&mut log, 5, &[jeq(1, 2), mov(0), mov(1)])?;
        assert_eq!(of_last(&log), Some(true));
        replace(&mut log, 6, &[ja(-2)])?;
        assert_eq!(of_last(&log), Some(true));

        replace(&mut log, 7, &[call(3), mov(0), call(5)])?;
        assert_eq!(of_last(&log), Some(true));
        replace(&mut log, 8, &[mov(0)])?;
        assert_eq!(of_last(&log), Some(false));
        Ok(())
    }

    #[test]
    fn prefix_that_jumps_skip() -> Result {
        let mut log = Log::new(4);
        prepend(&mut log, 0, &[mov(0)])?;
        replace(&mut log, 0, &two())?;
        assert!(!log.sum().skips);
        log.record(1, Kind::PrependSkipped, &[mov(0)])?;
        prepend(&mut log, 2, &[mov(0)])?;
        assert!(log.sum().skips);
        Ok(())
    }

    #[test]
    fn forgotten_edits() -> Result {
        let mut log = Log::new(8);
        log.record(6, Kind::PrependSkipped, &[call(3)])?;
        let bytes = log.bytes();

        log.reset(20);
        assert_eq!(log.program_len(), 20);
        assert!(log.edits().is_empty());
        assert_eq!((log.patches_len(), log.bytes()), (0, bytes));
        let sum = log.sum();
        assert_eq!(sum.added, 0);
        assert!(!sum.skips);
        // What was open or taken no longer is, and what adds may remove.
        remove(&mut log, 0, 1)?;

        log.reset(8);
        assert_eq!(log.sum().longest_removal, 0);
        replace(&mut log, 0, &[mov(0)])
    }

    #[test]
    fn room_for_the_rest_of_the_program() -> Result {
        // 65 edits are those of the first 130 insns. The others are expected to have 6.7 times as many.
        assert_eq!(room_after_65(1_000)?, 65 + 435);
        // None are left, so that the array doubles.
        assert_eq!(room_after_65(130)?, 128);
        // No more than eight times what there was.
        assert_eq!(room_after_65(1_000_000)?, 512);
        Ok(())
    }
}
