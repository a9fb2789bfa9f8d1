// SPDX-License-Identifier: GPL-2.0

//! What has gone wrong in the kernel's own functions before, one test for each commit or report
//! that has to do with the engine, named after it. Documentation/tests.md has the others too.

use super::{
    super::engine::harness::*,
    fixture::{
        Extras,
        Fixture, //
    },
};
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_regressions)]
mod tests {
    use super::*;

    /// CVE-2016-2383
    #[test]
    fn a1b14d27ed09_backward_jump_across_an_expansion() -> Result {
        let mut fixture = Fixture::of(
            &[mov(0), mov(1), mov(2), ja(-3), exit()],
            &Extras::default(),
        )?;
        fixture.edit(|log| replace(log, 2, &[mov(20), mov(21), mov(22)]))?;
        assert!(fixture.is(&[mov(0), mov(1), mov(20), mov(21), mov(22), ja(-5), exit()]));
        Ok(())
    }

    /// CVE-2018-25020
    #[test]
    fn f050fad7c4534_jump_that_no_longer_fits() -> Result {
        let mut fixture = Fixture::long(32_780, &[(0, ja(i16::MAX))])?;
        let result = fixture.edit(|log| replace(log, 9, &[mov(1), mov(2)]));
        assert_eq!(result, Err(ERANGE));
        assert!(fixture.insns().len() == 32_780);
        assert!(fixture.insns()[0].off == i16::MAX);
        Ok(())
    }

    #[test]
    fn f8041902dae52_aux_moves_with_its_insn() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), mov(2), exit()], &Extras::default())?;
        fixture.edit(|log| replace(log, 1, &[mov(10), mov(11), mov(12)]))?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        assert!((0..6).all(|i| aux.aux[i].orig_idx == [0, 0, 0, 1, 2, 3][i]));
        Ok(())
    }

    #[test]
    fn inherit_seen_of_the_patched_insn() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), exit()], &Extras::default())?;
        fixture.fill(|program| {
            if let Some(verified) = program.verified {
                verified.aux[1].seen = 0;
            }
        });
        fixture.edit(|log| {
            replace(log, 0, &[mov(1), mov(2)])?;
            replace(log, 1, &[mov(3), mov(4)])
        })?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        let seen = [true, true, false, false, true];
        assert!((0..5).all(|i| (aux.aux[i].seen != 0) == seen[i]));
        Ok(())
    }

    #[test]
    fn a748c6975dea_poke_follows_patches_in_subprogs() -> Result {
        let insns = [call(1), exit(), mov(2), tail_call(), exit()];
        let extras = Extras {
            subprogs: &[2],
            poke: &[3],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| replace(log, 2, &[mov(20), mov(21)]))?;
        assert_eq!(fixture.poke(0), Some(4));
        Ok(())
    }

    /// CVE-2021-47303: a table freed while subprogs had it.
    #[test]
    fn f263ae152e962_poke_table_stays_where_it_is() -> Result {
        let extras = Extras {
            poke: &[1],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&[mov(0), tail_call(), exit()], &extras)?;
        let before = fixture.poke_table();
        fixture.edit(|log| prepend(log, 1, &[mov(10)]))?;
        assert!(fixture.poke_table() == before);
        Ok(())
    }

    #[test]
    fn f3990ed4c4266_subprog_removed_in_front_of_one_whose_address_is_taken() -> Result {
        let [lo, hi] = func(3);
        let insns = [lo, hi, exit(), mov(3), mov(4), exit()];
        let extras = Extras {
            subprogs: &[3, 4],
            lines: &[0, 3, 4],
            ..Extras::default()
        };
        // The address is that of the subprog at 4.
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| remove(log, 3, 1))?;
        assert!(fixture.is(&[func(2)[0], hi, exit(), mov(4), exit()]));
        let program = fixture.program();
        let verified = program.verified.ok_or(EINVAL)?;
        assert_eq!(verified.subprogs.len(), 3);
        assert_eq!(verified.func_info[1].type_id, 3);
        assert_eq!(verified.subprogs[1].linfo_idx, 1);
        Ok(())
    }

    #[test]
    fn cpu_v4_long_jump_is_checked_against_32_bits() -> Result {
        let mut fixture = Fixture::long(40_000, &[(0, gotol(39_000))])?;
        fixture.edit(|log| replace(log, 9, &[mov(1), mov(2)]))?;
        assert_eq!(fixture.insns()[0].imm, 39_001);
        Ok(())
    }

    #[test]
    fn f5337ac4c9b80_jump_to_a_may_goto_at_the_start() -> Result {
        let mut fixture = Fixture::of(&[may_goto(2), mov(1), ja(-3), exit()], &Extras::default())?;
        fixture.edit(|log| prepend_behind(log, 0, &[mov(10)]))?;
        assert!(fixture.is(&[mov(10), may_goto(2), mov(1), ja(-3), exit()]));
        Ok(())
    }

    #[test]
    fn f4a04b4f0de59_redirected_jump_that_no_longer_fits() -> Result {
        let mut fixture = Fixture::long(32_780, &[(32_767, ja(i16::MIN)), (32_766, ja(-32_767))])?;
        let result = fixture.edit(|log| prepend_behind(log, 0, &[mov(1), mov(2)]));
        // Each would fit behind the prologue, but is too far until it is redirected.
        assert_eq!(result, Err(ERANGE));
        assert_eq!(fixture.insns()[32_767].off, i16::MIN);
        Ok(())
    }

    #[test]
    fn vrealloc_v1_aux_of_added_insns_is_zero() -> Result {
        let mut fixture = Fixture::of(&[mov(0), call(0), exit()], &Extras::default())?;
        fixture.fill(|program| {
            if let Some(verified) = program.verified {
                verified.aux[1].map_key_state = u64::MAX;
                verified.aux[1].nospec = true;
            }
        });
        // With insns that share an entry, and one that has its own.
        fixture.edit(|log| replace(log, 1, &[mov(10), call(-3), mov(12)]))?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        assert!((1..3).all(|i| aux.aux[i].map_key_state == 0 && !aux.aux[i].nospec));
        assert!(aux.aux[3].map_key_state == u64::MAX && aux.aux[3].nospec);
        Ok(())
    }

    #[test]
    fn b13448dd64e2_refused_session_leaves_aux_to_its_owner() -> Result {
        let mut fixture = Fixture::long(32_780, &[(0, ja(i16::MAX))])?;
        let aux = |fixture: &mut Fixture| fixture.program().verified.map(|v| v.aux.as_ptr());
        let before = aux(&mut fixture);
        let result = fixture.edit(|log| replace(log, 9, &[mov(1), mov(2)]));
        assert_eq!(result, Err(ERANGE));
        assert!(aux(&mut fixture) == before);
        fixture.edit(|log| replace(log, 32_771, &[mov(1), mov(2)]))
    }

    #[test]
    fn e3bd7bdf5ffe_insn_array_values_other_than_the_first() -> Result {
        let extras = Extras {
            array: &[0, 1, 2, 3],
            ..Extras::default()
        };
        let mut fixture = Fixture::of(&[mov(0), mov(1), mov(2), exit()], &extras)?;
        fixture.edit(|log| replace(log, 1, &[mov(10), mov(11)]))?;
        assert!(fixture.array_is(&[0, 1, 3, 4]));
        Ok(())
    }

    #[test]
    fn indirect_target_stays_on_the_first_insn() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), exit()], &Extras::default())?;
        fixture.fill(|program| {
            if let Some(verified) = program.verified {
                verified.aux[1].set_indirect_target(1);
            }
        });
        fixture.edit(|log| replace(log, 1, &[mov(10), mov(11), mov(12)]))?;
        let program = fixture.program();
        let aux = program.verified.ok_or(EINVAL)?;
        assert!((0..5).all(|i| (aux.aux[i].indirect_target() != 0) == (i == 1)));
        assert_eq!(aux.aux[3].orig_idx, 1);
        Ok(())
    }
}
