// SPDX-License-Identifier: GPL-2.0

//! What the kernel's own functions get wrong, one test for each defect in
//! Documentation/stock-defects.md that can be seen here: a session has it right, and mode `verify`
//! knows it by name. Programs that show them through bpf(2) are the loader's `defects`.

use super::{
    super::harness::*,
    bench::{
        Bench,
        Extras, //
    },
};
use crate::stats::{
    Counter,
    STATS, //
};
use kernel::prelude::*;

/// How much `counter` grows by `f`.
fn counted(counter: &Counter, f: impl FnOnce() -> Result) -> Result<u64> {
    let before = counter.get();
    f()?;
    Ok(counter.get() - before)
}

#[kunit_tests(bpf_patcher_defects)]
mod tests {
    use super::*;

    #[test]
    fn d1_backward_call_behind_slots_of_may_goto() -> Result {
        let insns = [
            call(3),
            exit(),
            mov(2),
            exit(),
            call(-3),
            may_goto(0),
            exit(),
        ];
        let extras = Extras {
            subprogs: &[2, 4],
            ..Extras::default()
        };
        let mut bench = Bench::of(&insns, &extras)?;
        let known = counted(&STATS.verify_known_backward, || {
            bench.edit(|log| prepend_behind(log, 4, &[mov(10), mov(11)]))
        })?;
        assert_eq!(known, 1);
        assert_eq!(bench.state().insns[6].imm, -5);

        // A copy in the patch leads as many insns too far as are in front of it.
        let mut stock = Bench::of(&insns, &extras)?;
        assert!(stock.patch_as_stock(4, &[mov(10), mov(11), call(-3)]));
        assert_eq!(stock.state().insns[6].imm, -3);
        Ok(())
    }

    #[test]
    fn d2_backward_jump_behind_a_barrier() -> Result {
        let insns = [mov(0), mov(1), jeq(0, -2), exit()];
        let mut bench = Bench::of(&insns, &Extras::default())?;
        let known = counted(&STATS.verify_known_backward, || {
            bench.edit(|log| prepend(log, 2, &[mov(10)]))
        })?;
        assert_eq!(known, 1);
        assert_eq!(bench.state().insns[3].off, -3);

        let mut stock = Bench::of(&insns, &Extras::default())?;
        assert!(stock.patch_as_stock(2, &[mov(10), jeq(0, -2)]));
        assert_eq!(stock.state().insns[3].off, -2);
        Ok(())
    }

    #[test]
    fn d4_tail_call_behind_slots_of_may_goto() -> Result {
        let insns = [call(1), exit(), tail_call(), may_goto(0), exit()];
        let extras = Extras {
            subprogs: &[2],
            poke: &[2],
            ..Extras::default()
        };
        let mut bench = Bench::of(&insns, &extras)?;
        let known = counted(&STATS.verify_known_poke, || {
            bench.edit(|log| prepend_behind(log, 2, &[mov(10)]))
        })?;
        assert_eq!(known, 1);
        let idx = |bench: &Bench| bench.state().verified.map(|v| v.poke[0].insn_idx);
        assert_eq!(idx(&bench), Some(3));

        let mut stock = Bench::of(&insns, &extras)?;
        assert!(stock.patch_as_stock(2, &[mov(10), tail_call()]));
        // The store, not the tail call.
        assert_eq!(idx(&stock), Some(2));
        Ok(())
    }

    #[test]
    fn d5_indirect_jump_in_front_of_slots_of_may_goto() -> Result {
        let insns = [call(1), gotox(), may_goto(0), exit()];
        let extras = Extras {
            subprogs: &[2],
            ..Extras::default()
        };
        let mut bench = Bench::of(&insns, &extras)?;
        let known = counted(&STATS.verify_known_gotox, || {
            bench.edit(|log| prepend_behind(log, 2, &[mov(10)]))
        })?;
        assert_eq!(known, 1);
        assert_eq!(bench.state().insns[1].off, 0);
        Ok(())
    }

    #[test]
    fn d6_probe_of_what_is_behind_the_last_insn() -> Result {
        // Long enough, once patched, for the probe to be made.
        let len = i16::MAX as usize;
        let patch = [mov(10), exit()];
        let bench = |behind| {
            let mut bench = Bench::long(len, &[])?;
            bench.leave_behind(behind)?;
            Ok::<_, Error>(bench)
        };
        // Refused for a jump that is no part of the program.
        let last = len as u32 - 1;
        assert!(!bench(ja(i16::MIN))?.patch_as_stock(last, &patch));
        assert!(bench(mov(2))?.patch_as_stock(last, &patch));

        let mut bench = bench(ja(i16::MIN))?;
        bench.edit(|log| replace(log, last, &patch))?;
        assert_eq!(bench.state().insns.len(), len + 1);
        Ok(())
    }
}
