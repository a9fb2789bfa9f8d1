// SPDX-License-Identifier: GPL-2.0

//! What the kernel's own functions got wrong: one test for each defect of
//! Documentation/stock-defects.md that can be seen here, which the first patches of the series fix.
//! A session has it right, and so have these functions. Programs that show the defects through
//! bpf(2) are the loader's `defects`.

use super::{
    super::engine::harness::*,
    fixture::{
        Extras,
        Fixture, //
    },
};
use crate::engine::abi::Insn;
use core::mem::offset_of;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

#[kunit_tests(bpf_patcher_defects)]
mod tests {
    use super::*;

    #[test]
    fn fix02_backward_call_behind_slots_of_may_goto() -> Result {
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
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| prepend_behind(log, 4, &[mov(10), mov(11)]))?;
        assert_eq!(fixture.insns()[6].imm, -5);

        let mut stock = Fixture::of(&insns, &extras)?;
        let mut patch = [mov(10), mov(11), mov(0)];
        assert!(stock.prepend_as_stock(4, &mut patch, true));
        assert_eq!(stock.insns()[6].imm, -5);
        Ok(())
    }

    #[test]
    fn fix03_backward_jump_behind_a_barrier() -> Result {
        let insns = [mov(0), mov(1), jeq(0, -2), exit()];
        let mut fixture = Fixture::of(&insns, &Extras::default())?;
        fixture.edit(|log| prepend(log, 2, &[mov(10)]))?;
        assert_eq!(fixture.insns()[3].off, -3);

        let mut stock = Fixture::of(&insns, &Extras::default())?;
        assert!(stock.prepend_as_stock(2, &mut [mov(10), mov(0)], false));
        assert_eq!(stock.insns()[3].off, -3);
        Ok(())
    }

    #[test]
    fn tail_call_behind_slots_of_may_goto() -> Result {
        let insns = [call(1), exit(), tail_call(), may_goto(0), exit()];
        let extras = Extras {
            subprogs: &[2],
            poke: &[2],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| prepend_behind(log, 2, &[mov(10)]))?;
        assert_eq!(fixture.poke(0), Some(3));

        let mut stock = Fixture::of(&insns, &extras)?;
        assert!(stock.patch_as_stock(2, &[mov(10), tail_call()]));
        assert_eq!(stock.poke(0), Some(3));
        Ok(())
    }

    #[test]
    fn fix05_indirect_jump_in_front_of_slots_of_may_goto() -> Result {
        let insns = [call(1), gotox(), may_goto(0), exit()];
        let extras = Extras {
            subprogs: &[2],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| prepend_behind(log, 2, &[mov(10)]))?;
        assert_eq!(fixture.insns()[1].off, 0);

        let mut stock = Fixture::of(&insns, &extras)?;
        assert!(stock.prepend_as_stock(2, &mut [mov(10), mov(0)], true));
        assert_eq!(stock.insns()[1].off, 0);
        Ok(())
    }

    #[test]
    fn fix01_probe_of_what_is_behind_the_last_insn() -> Result {
        // Long enough, once patched, for the probe to be made.
        let len = i16::MAX as usize;
        let last = len as u32 - 1;
        let patch = [mov(10), exit()];
        // A jump that is no part of the program.
        let mut stock = Fixture::long(len, &[])?;
        stock.leave_behind(ja(i16::MIN))?;
        assert!(stock.patch_as_stock(last, &patch));

        let mut fixture = Fixture::long(len, &[])?;
        fixture.leave_behind(ja(i16::MIN))?;
        fixture.edit(|log| replace(log, last, &patch))?;
        assert_eq!(fixture.insns().len(), len + 1);
        Ok(())
    }

    #[test]
    fn fix01_probe_behind_the_last_page() -> Result {
        // So many insns end with the last page of the program, and behind that is nothing.
        let front = offset_of!(bindings::bpf_prog, __bindgen_anon_2);
        let len = (65 * PAGE_SIZE - front) / size_of::<Insn>();
        assert!(len > i16::MAX as usize);
        let stock = Fixture::long(len, &[])?.patch_as_stock(len as u32 - 1, &[mov(10), exit()]);
        assert!(stock);
        Ok(())
    }
}
