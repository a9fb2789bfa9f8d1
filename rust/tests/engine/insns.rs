// SPDX-License-Identifier: GPL-2.0

//! Which insns stand where after inserts, prepends and removals.

use super::harness::*;
use crate::engine::{
    abi,
    aux,
    insns,
    layout::Layout,
    log::Log,
    PAUSE_EVERY, //
};
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_insns)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_changes_nothing() -> Result {
        let case = Case::new(&[mov(0), mov(1), exit()])?.edit(|_| Ok(()))?;
        assert!(case.is(&[mov(0), mov(1), exit()]));
        Ok(())
    }

    #[test]
    fn replace_by_one() -> Result {
        let case = Case::new(&[mov(0), mov(1), exit()])?.edit(|log| replace(log, 1, &[mov(9)]))?;
        assert!(case.is(&[mov(0), mov(9), exit()]));
        Ok(())
    }

    #[test]
    fn replace_by_many() -> Result {
        let case = Case::new(&[mov(0), mov(1), mov(2), exit()])?.edit(|log| {
            replace(log, 0, &[mov(10), mov(11)])?;
            replace(log, 2, &[mov(20), mov(21), mov(22)])
        })?;
        let expected = [mov(10), mov(11), mov(1), mov(20), mov(21), mov(22), exit()];
        assert!(case.is(&expected));
        Ok(())
    }

    #[test]
    fn last_insn_grows() -> Result {
        let case = Case::new(&[mov(0), exit()])?.edit(|log| replace(log, 1, &[mov(1), exit()]))?;
        assert!(case.is(&[mov(0), mov(1), exit()]));
        Ok(())
    }

    #[test]
    fn prepends_stand_in_order_in_front() -> Result {
        let case = Case::new(&[mov(0), mov(1), exit()])?.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            prepend(log, 1, &[mov(11), mov(12)])
        })?;
        assert!(case.is(&[mov(0), mov(10), mov(11), mov(12), mov(1), exit()]));
        Ok(())
    }

    #[test]
    fn prepended_insn_is_replaced() -> Result {
        let case = Case::new(&[mov(0), mov(1), exit()])?.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov(20), mov(21)])
        })?;
        assert!(case.is(&[mov(0), mov(10), mov(20), mov(21), exit()]));
        Ok(())
    }

    #[test]
    fn remove_front_middle_and_back() -> Result {
        let insns = [mov(0), mov(1), mov(2), mov(3), mov(4), exit(), mov(6)];
        let case = Case::new(&insns)?.edit(|log| {
            remove(log, 0, 1)?;
            remove(log, 2, 2)?;
            remove(log, 6, 1)
        })?;
        assert!(case.is(&[mov(1), mov(4), exit()]));
        Ok(())
    }

    /// What rust/engine/mod.rs opens with.
    #[test]
    fn example_of_the_documentation() -> Result {
        let insns = [mov(0), jeq(1, 2), mov(2), mov(3), ja(-5), exit()];
        let mut log = Log::new(insns.len() as u32);
        let record = |log: &mut Log| {
            replace(log, 0, &[mov(10), mov(11)])?;
            prepend(log, 2, &[mov(20)])
        };
        record(&mut log)?;
        let layout = Layout::new(&log)?;
        let table: [u32; 7] = core::array::from_fn(|old| layout.start(old as u32));
        assert_eq!(table, [0, 2, 3, 5, 6, 7, 8]);

        let case = Case::new(&insns)?.edit(record)?;
        assert!(case.is(&[
            mov(10),
            mov(11),
            jeq(1, 3),
            mov(20),
            mov(2),
            mov(3),
            ja(-7),
            exit()
        ]));
        Ok(())
    }

    #[test]
    fn others_may_run_now_and_then() -> Result {
        const EDITS: usize = 3 * PAUSE_EVERY;
        let mut log = Log::new(EDITS as u32);
        for idx in 0..EDITS as u32 {
            replace(&mut log, idx, &[mov(1), mov(2)])?;
        }
        let layout = Layout::new(&log)?;
        let mut program = abi::zeroed(2 * EDITS)?;
        let mut host = TestHost::that_goes_on(0);
        insns::rewrite(&mut program, &layout, &mut host);
        assert_eq!(host.pauses, 6);

        let mut entries = abi::zeroed(2 * EDITS)?;
        aux::rewrite(&mut entries, &program, &layout, &mut host);
        assert_eq!(host.pauses, 12);
        Ok(())
    }

    /// Edits are few, but insns are many.
    #[test]
    fn others_may_run_while_one_edit_moves_many_insns() -> Result {
        const LEN: u32 = 20 * PAUSE_EVERY as u32;
        for idx in [0, LEN / 2, LEN - 1] {
            let add: fn(&mut Log, u32) -> Result = |log, idx| prepend(log, idx, &two());
            for edit in [add, |log, idx| remove(log, idx, 1)] {
                let mut log = Log::new(LEN);
                edit(&mut log, idx)?;
                let layout = Layout::new(&log)?;
                let mut insns = abi::zeroed(LEN as usize + 2)?;
                let mut host = TestHost::that_goes_on(0);
                insns::rewrite(&mut insns, &layout, &mut host);
                assert!((19..=21).contains(&host.pauses));

                let mut entries = abi::zeroed(LEN as usize + 2)?;
                let mut host = TestHost::that_goes_on(0);
                aux::rewrite(&mut entries, &insns, &layout, &mut host);
                // Insns before the first edit stay where they are.
                assert!(idx > 0 || (19..=21).contains(&host.pauses));
            }
        }
        Ok(())
    }

    /// Every way to keep, replace or prepend to each of four insns, and to keep or remove it, against
    /// a plain model.
    #[test]
    fn every_combination_of_four() -> Result {
        for mask in 0..4u32.pow(4) {
            let digits = (0..4).map(|i| mask / 4u32.pow(i) % 4);
            let (adds, removes) = digits.fold((false, false), |(adds, removes), what| {
                (adds || what == 1 || what == 2, removes || what == 3)
            });
            if adds && removes {
                continue;
            }
            let what = |i: u32| mask / 4u32.pow(i) % 4;
            let insns = [mov(0), mov(1), mov(2), mov(3), exit()];
            let mut expected = KVec::new();
            for i in 0..4u32 {
                let n = i as i32;
                let group: &[_] = match what(i) {
                    0 => &[mov(n)],
                    1 => &[mov(10 + n), mov(20 + n)],
                    2 => &[mov(30 + n), mov(n)],
                    _ => &[],
                };
                expected.extend_from_slice(group, GFP_KERNEL)?;
            }
            expected.push(exit(), GFP_KERNEL)?;

            let case = Case::new(&insns)?.edit(|log| {
                for i in 0..4u32 {
                    let n = i as i32;
                    match what(i) {
                        0 => (),
                        1 => replace(log, i, &[mov(10 + n), mov(20 + n)])?,
                        2 => prepend(log, i, &[mov(30 + n)])?,
                        _ => remove(log, i, 1)?,
                    }
                }
                Ok(())
            })?;
            assert!(case.is(&expected));
        }
        Ok(())
    }
}
