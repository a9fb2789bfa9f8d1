// SPDX-License-Identifier: GPL-2.0

//! What a patcher that defers can get wrong, one test for each hazard that has to do with the
//! engine, with its number in Documentation/tests.md, which has the others too.

use super::{
    super::engine::harness::*,
    fixture::{
        Extras,
        Fixture, //
    },
};
use crate::engine::log::Log;
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_hazards)]
mod tests {
    use super::*;

    #[test]
    fn h03_slots_of_may_goto_in_front_of_each_subprog() -> Result {
        let insns = [call(2), ja(-2), exit(), mov(3), ja(-2), call(-3), exit()];
        let extras = Extras {
            subprogs: &[3],
            lines: &[0, 3],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| {
            prepend_behind(log, 0, &[mov(10)])?;
            prepend_behind(log, 3, &[mov(30), mov(31)])
        })?;
        // Jumps skip the slots, calls and the subprog's start do not.
        let new = [
            mov(10),
            call(2),
            ja(-2),
            exit(),
            mov(30),
            mov(31),
            mov(3),
            ja(-2),
            call(-5),
            exit(),
        ];
        assert!(fixture.is(&new));
        let program = fixture.program();
        assert_eq!(program.verified.ok_or(EINVAL)?.subprogs[1].start, 4);
        assert_eq!(program.linfo[1].insn_off, 4);
        Ok(())
    }

    #[test]
    fn h04_barrier_in_front_of_a_converted_insn() -> Result {
        let extras = Extras {
            array: &[1],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&[ja(0), mov(1), ja(-2), exit()], &extras)?;
        fixture.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov(11), mov(12)])
        })?;
        assert!(fixture.is(&[ja(0), mov(10), mov(11), mov(12), ja(-4), exit()]));
        assert!(fixture.array_is(&[1]));
        let program = fixture.program();
        assert_eq!(program.verified.ok_or(EINVAL)?.aux[3].orig_idx, 1);
        Ok(())
    }

    #[test]
    fn h05_jump_to_an_epilogue_behind_a_barrier() -> Result {
        let mut fixture = Fixture::of(&[mov(0), exit(), mov(2), exit()], &Extras::default())?;
        fixture.edit(|log| {
            prepend(log, 1, &[mov(10)])?;
            replace(log, 1, &[mov(11), exit()])?;
            replace_to_body(log, 3, &[gotol(-3)])
        })?;
        assert!(fixture.is(&[mov(0), mov(10), mov(11), exit(), mov(2), gotol(-4)]));
        Ok(())
    }

    #[test]
    fn h06_call_of_a_subprog_out_of_a_patch() -> Result {
        let insns = [mov(0), helper(181), mov(2), exit(), mov(4), exit()];
        let extras = Extras {
            subprogs: &[4],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| {
            replace(log, 0, &[mov(10), mov(11)])?;
            // From the third of 4 insns: 2 to the end of the patch, 2 that stay.
            replace(log, 1, &[mov(20), mov(21), call(3), mov(23)])?;
            replace(log, 2, &[mov(30), mov(31)])
        })?;
        assert!(fixture.insns()[4].imm == 4);
        assert!(fixture.insns()[4 + 1 + 4].imm == 4);
        Ok(())
    }

    #[test]
    fn h07_insn_changed_in_place_behind_what_is_prepended() -> Result {
        let mut fixture = Fixture::of(&[mov(0), helper(1), exit()], &Extras::default())?;
        let mut log = Log::new(3);
        prepend(&mut log, 1, &[mov(10), mov(11)])?;
        fixture.program().insns[1].imm = 77;
        fixture.session(&log)??;
        assert!(fixture.is(&[mov(0), mov(10), mov(11), helper(77), exit()]));
        Ok(())
    }

    #[test]
    fn h08_jump_to_itself_behind_a_barrier() -> Result {
        let mut fixture = Fixture::of(&[mov(0), ja(-1), exit()], &Extras::default())?;
        fixture.edit(|log| prepend(log, 1, &[mov(10)]))?;
        assert!(fixture.is(&[mov(0), mov(10), ja(-1), exit()]));
        Ok(())
    }

    #[test]
    fn h08_backward_jump_behind_a_barrier() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), jeq(0, -2), exit()], &Extras::default())?;
        fixture.edit(|log| prepend(log, 2, &[mov(10)]))?;
        assert!(fixture.is(&[mov(0), mov(1), mov(10), jeq(0, -3), exit()]));
        Ok(())
    }

    #[test]
    fn h11_second_half_of_a_pair() -> Result {
        let [lo, hi] = func(2);
        let mut fixture = Fixture::of(&[lo, hi, exit(), mov(3), exit()], &Extras::default())?;
        fixture.edit(|log| replace(log, 1, &[hi, mov(10)]))?;
        assert!(fixture.is(&[func(3)[0], hi, mov(10), exit(), mov(3), exit()]));
        Ok(())
    }

    #[test]
    fn h13_references_into_a_removed_run() -> Result {
        let insns = [ja(2), call(1), mov(2), mov(3), mov(4), mov(5), exit()];
        let mut fixture = Fixture::of(&insns, &Extras::default())?;
        // Both mean the second insn of the run, and then the one behind the next that stays.
        fixture.edit(|log| remove(log, 2, 2))?;
        assert!(fixture.is(&[ja(2), call(1), mov(4), mov(5), exit()]));
        Ok(())
    }

    #[test]
    fn h14_zero_extension_is_found_out_anew() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), mov(2), exit()], &Extras::default())?;
        fixture.fill(|program| {
            if let Some(verified) = program.verified {
                verified.aux[1].zext_dst = true;
            }
        });
        // An ALU insn defines a subregister when it is a 32-bit one.
        fixture.edit(|log| {
            replace(log, 0, &[mov32(10)])?;
            replace(log, 1, &[mov32(11), mov(12)])
        })?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        assert!((0..5).all(|i| aux.aux[i].zext_dst == [true, true, false, false, false][i]));
        Ok(())
    }

    #[test]
    fn h16_h22_program_of_too_many_pages_is_refused_and_left_alone() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), exit()], &Extras::default())?;
        let mut patch = KVVec::new();
        patch.resize(1 << 20, mov(7), GFP_KERNEL)?;
        // The kernel counts a program's pages in 16 bits: 32M insns and some.
        let result =
            fixture.edit_unchecked(|log| (0..33).try_for_each(|_| prepend(log, 1, &patch)));
        assert_eq!(result, Err(E2BIG));
        assert!(fixture.is(&[mov(0), mov(1), exit()]));
        fixture.edit(|log| prepend(log, 1, &[mov(10)]))
    }

    #[test]
    fn h17_aux_over_several_sessions() -> Result {
        let mut fixture = Fixture::of(
            &[mov(0), call(1), exit(), mov(3), exit()],
            &Extras::default(),
        )?;
        fixture.edit(|log| {
            prepend(log, 1, &[mov(10), call(2)])?;
            replace(log, 3, &[mov(30), mov(31)])
        })?;
        fixture.edit(|log| {
            remove(log, 0, 1)?;
            remove(log, 4, 1)
        })?;
        fixture.edit(|log| prepend(log, 0, &[mov(40)]))?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        let orig = [0, 0, 0, 1, 0, 3, 4];
        assert_eq!(program.insns.len(), orig.len());
        assert!((0..orig.len()).all(|i| aux.aux[i].orig_idx == orig[i]));
        Ok(())
    }

    #[test]
    fn h23_indirect_jumps_and_tail_calls_have_no_offset() -> Result {
        let insns = [mov(0), tail_call(), gotox(), may_goto(1), mov(4), exit()];
        let extras = Extras {
            subprogs: &[3],
            poke: &[1],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| {
            prepend_behind(log, 0, &[mov(10)])?;
            prepend_behind(log, 3, &[mov(30)])
        })?;
        let codes = [tail_call().code, gotox().code];
        assert!(!fixture
            .insns()
            .iter()
            .any(|i| codes.contains(&i.code) && i.off != 0));
        Ok(())
    }
}
