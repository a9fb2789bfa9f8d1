// SPDX-License-Identifier: GPL-2.0

//! Jumps that no longer fit, relaxed: forms, rounds, errors. The differential suite `far` has more, each
//! checked against the kernel's own functions.

use super::harness::*;
use crate::engine::{
    abi::Insn,
    log::Log,
    relax::{
        margin,
        relax,
        Relaxed,
        EXACT,
        ROUNDS, //
    },
    PAUSE_EVERY, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// Beyond what 16 bits reach.
const LEN: usize = 33_000;
const MAX: i16 = i16::MAX;

/// A program of `LEN` insns with those of `at` at their places.
fn program(at: &[(usize, Insn)]) -> Result<KVVec<Insn>> {
    let mut insns = KVVec::new();
    insns.resize(LEN, mov(0), GFP_KERNEL)?;
    for &(idx, insn) in at {
        insns[idx] = insn;
    }
    Ok(insns)
}

/// What becomes of the edits that `record` records, and of which insns the author is told.
fn relaxed(
    insns: &[Insn],
    record: impl FnOnce(&mut Log) -> Result,
) -> Result<(Relaxed, KVec<u32>)> {
    let mut log = Log::new(insns.len() as u32);
    record(&mut log)?;
    let mut host = TestHost::that_goes_on(u32::MAX);
    let relaxed = relax(insns, &log, &mut host)?;
    Ok((relaxed, host.told))
}

/// Is edit `number` of a relaxed log the one that puts `patch` in place of insn `idx`?
fn replaces(relaxed: &Relaxed, number: usize, idx: u32, patch: &[Insn]) -> bool {
    let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
    let Some(log) = &relaxed.log else {
        return false;
    };
    let edit = &log.edits()[number];
    let insns = log.patch(edit);
    edit.idx == idx
        && insns.len() == patch.len()
        && (0..insns.len()).all(|i| key(&insns[i]) == key(&patch[i]))
}

#[kunit_tests(bpf_patcher_relax)]
mod tests {
    use super::*;

    #[test]
    fn form_of_each_jump() -> Result {
        for class in [bindings::BPF_JMP, bindings::BPF_JMP32] {
            for (op, inverse) in OPS {
                for x in [0, bindings::BPF_X] {
                    let insns = program(&[
                        (0, jump(class, op, x, MAX)),
                        (LEN - 1, jump(class, op, x, i16::MIN)),
                    ])?;
                    let (relaxed, told) = relaxed(&insns, |log| replace(log, 9_000, &two()))?;
                    let over = jump(class, inverse, x, 1);
                    assert_eq!((relaxed.jumps, relaxed.rounds), (2, 1));
                    assert_eq!(*told, [0, LEN as u32 - 1]);
                    assert!(replaces(&relaxed, 0, 0, &[over, gotol(MAX.into())]));
                    let back = gotol(i32::from(i16::MIN) - 1);
                    assert!(replaces(&relaxed, 2, LEN as u32 - 1, &[over, back]));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn forms_of_other_jumps() -> Result {
        let insns = program(&[
            (0, ja(MAX)),
            (1, jset(MAX)),
            (LEN - 2, may_goto(i16::MIN)),
            (LEN - 1, ja(i16::MIN)),
        ])?;
        let (relaxed, _) = relaxed(&insns, |log| replace(log, 9_000, &two()))?;
        let (max, min) = (i32::from(MAX), i32::from(i16::MIN));
        assert!(replaces(&relaxed, 0, 0, &[gotol(max)]));
        assert!(replaces(&relaxed, 1, 1, &[jset(1), ja(1), gotol(max)]));
        let back = [may_goto(1), ja(1), gotol(min - 2)];
        assert!(replaces(&relaxed, 3, LEN as u32 - 2, &back));
        assert!(replaces(&relaxed, 4, LEN as u32 - 1, &[gotol(min)]));
        Ok(())
    }

    #[test]
    fn static_branch_stays_one() -> Result {
        for flags in STATIC_BRANCHES {
            let (near, wide) = (
                |off| static_branch(ja(off), flags),
                |imm| static_branch(gotol(imm), flags),
            );
            let insns = program(&[(0, near(MAX)), (LEN - 1, near(i16::MIN))])?;
            let (ahead, _) = relaxed(&insns, |log| replace(log, 9_000, &two()))?;
            assert!(replaces(&ahead, 0, 0, &[wide(MAX.into())]));
            let back = i32::from(i16::MIN);
            assert!(replaces(&ahead, 2, LEN as u32 - 1, &[wide(back)]));
            // In a patch, and one that fits.
            let (within, _) = relaxed(&insns, |log| {
                replace(log, 7, &[near(MAX), near(0)])?;
                replace(log, 9, &two())
            })?;
            let patch = [wide(MAX.into()), near(0)];
            assert!(replaces(&within, 1, 7, &patch));
        }
        Ok(())
    }

    #[test]
    fn patch_whose_jumps_lead_over_one_that_grows() -> Result {
        let insns = program(&[])?;
        let patch = [ja(2), ja(1), jset(MAX - 2), ja(-3), jeq7(-8)];
        let (relaxed, told) = relaxed(&insns, |log| {
            replace(log, 7, &patch)?;
            replace(log, 9, &two())?;
            replace(log, 10, &two())?;
            prepend(log, 11, &[ja(-9), jeq7(0)])
        })?;
        assert_eq!(*told, [7]);
        // Insn 3 of the patch led to its second insn; the last one to insn 3 of the program.
        let far = gotol(i32::from(MAX) - 2);
        let form = [ja(4), ja(3), jset(1), ja(1), far, ja(-5), jeq7(-10)];
        assert!(replaces(&relaxed, 0, 7, &form));
        Ok(())
    }

    #[test]
    fn jump_in_front_of_an_insn() -> Result {
        let insns = program(&[(3, jeq7(MAX - 1))])?;
        let (relaxed, told) = relaxed(&insns, |log| {
            prepend(log, 3, &[jeq7(MAX - 1), ja(0)])?;
            replace(log, 9, &two())?;
            replace(log, 10, &two())
        })?;
        assert_eq!(*told, [3, 3]);
        assert!(relaxed.log.is_some_and(|log| {
            let edits = log.edits();
            edits.len() == 4 && edits[0].prepends() && log.patch(&edits[0]).len() == 3
        }));
        Ok(())
    }

    #[test]
    fn jump_that_fits_once_it_is_replaced() -> Result {
        let insns = program(&[(LEN - 1, ja(i16::MIN))])?;
        let (relaxed, told) = relaxed(&insns, |log| {
            replace(log, 900, &two())?;
            replace(log, LEN as u32 - 1, &[mov(5)])
        })?;
        assert!(relaxed.log.is_none() && told.is_empty());
        assert_eq!((relaxed.jumps, relaxed.rounds), (0, 0));
        Ok(())
    }

    /// `n` jumps of which each pushes the one in front, and only that, and the insn that pushes the
    /// last.
    fn chain(n: usize) -> Result<(KVVec<Insn>, u32)> {
        let mut insns = program(&[])?;
        for i in 0..n {
            // One insn to spare for each jump behind the next.
            let spare = (n - 1 - i).saturating_sub(1) as i16;
            insns[i] = jeq7(MAX - spare);
        }
        Ok((insns, MAX as u32 + n as u32 - 1))
    }

    #[test]
    fn rounds_of_a_chain() -> Result {
        let (insns, last) = chain(8)?;
        let (relaxed, told) = relaxed(&insns, |log| replace(log, last, &two()))?;
        assert_eq!((relaxed.jumps, relaxed.rounds), (8, 8));
        assert_eq!(*told, [7, 6, 5, 4, 3, 2, 1, 0]);
        Ok(())
    }

    #[test]
    fn chain_that_is_cut_short() -> Result {
        let (insns, last) = chain(100)?;
        let (relaxed, _) = relaxed(&insns, |log| replace(log, last, &two()))?;
        // After the exact rounds, jumps with less than 64 insns to spare go, then all others.
        assert_eq!((relaxed.jumps, relaxed.rounds), (100, EXACT + 2));
        Ok(())
    }

    #[test]
    fn jump_that_fits_in_front_of_what_jumps_skip() -> Result {
        // It cannot be relaxed, and need not be, though it has less to spare than later rounds ask for.
        let session = |off: i16| {
            let (mut insns, last) = chain(100)?;
            insns[LEN - 50] = jeq7(off);
            let result = relaxed(&insns, |log| {
                replace(log, last, &two())?;
                prepend_behind(log, LEN as u32 - 49, &[mov(9)])
            });
            result.map(|(relaxed, _)| (relaxed.jumps, relaxed.rounds))
        };
        assert_eq!(session(i16::MIN + 30), Ok((100, EXACT + 2)));
        assert_eq!(session(i16::MIN + 1), Ok((100, EXACT + 2)));
        assert_eq!(session(i16::MIN), Err(ERANGE));
        Ok(())
    }

    #[test]
    fn margins() {
        assert_eq!(
            [0, EXACT - 1, EXACT, EXACT + 1].map(margin),
            [0, 0, 64, 128]
        );
        // More than a jump of 16 bits can have to spare.
        assert!(margin(ROUNDS - 1) > i64::from(MAX));
    }

    #[test]
    fn what_cannot_be_relaxed() -> Result {
        let insns = program(&[(0, jeq7(MAX)), (40, gotol(i32::MAX))])?;
        let skips = relaxed(&insns[..40], |log| {
            prepend_behind(log, 1, &[mov(9)])?;
            replace(log, 9, &two())
        });
        assert_eq!(skips.err(), Some(ERANGE));
        let wide = relaxed(&insns, |log| replace(log, 50, &two()));
        // It leads out of the program, and then as much further.
        assert_eq!(wide.err(), Some(ERANGE));
        Ok(())
    }

    #[test]
    fn jump_of_a_session_that_removes() -> Result {
        // Back into a run, and so ahead behind it.
        let insns = program(&[(LEN - 1, ja(-2))])?;
        let removes = relaxed(&insns, |log| remove(log, 0, LEN as u32 - 1));
        assert_eq!(removes.err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn jump_to_a_prefix_that_it_will_skip() -> Result {
        // Behind the prefix it fits, but stock first has it lead in front.
        let insns = program(&[(32_770, ja(i16::MIN))])?;
        let (reaches, told) = relaxed(&insns, |log| prepend_behind(log, 3, &[mov(9)]))?;
        assert_eq!((reaches.jumps, told.len()), (1, 1));
        let insns = program(&[(32_770, ja(i16::MIN + 1))])?;
        let (reaches, _) = relaxed(&insns, |log| prepend_behind(log, 4, &[mov(9)]))?;
        assert_eq!(reaches.jumps, 0);
        Ok(())
    }

    #[test]
    fn jumps_in_front_of_what_jumps_skip() -> Result {
        let insns = program(&[])?;
        let near = [mov(9)];
        let far = jeq7(MAX);
        // What is in front of insn 8, whose edits come first.
        let session = |edit: fn(&mut Log, u32, &[Insn]) -> Result,
                       patch: &[Insn],
                       next: fn(&mut Log, u32, &[Insn]) -> Result| {
            let result = relaxed(&insns, |log| {
                edit(log, 7, patch)?;
                next(log, 8, &near)?;
                replace(log, 9, &two())
            });
            result.map(|(relaxed, _)| relaxed.jumps)
        };
        // Only the end of what replaces an insn goes on to the next one.
        assert_eq!(
            session(replace, &[mov(1), far], prepend_behind),
            Err(ERANGE)
        );
        assert_eq!(session(replace, &[far, mov(1)], prepend_behind), Ok(1));
        assert_eq!(session(replace, &[far, mov(1)], prepend), Ok(1));
        assert_eq!(session(replace, &[mov(1), far], prepend), Ok(1));
        assert_eq!(session(prepend, &[mov(1), far], prepend_behind), Ok(1));
        // Jumps to bodies skip all that is put in front.
        assert_eq!(
            session(replace_to_body, &[mov(1), far], prepend),
            Err(ERANGE)
        );
        assert_eq!(session(replace_to_body, &[far, mov(1)], prepend), Ok(1));
        assert_eq!(session(replace_to_body, &[mov(1), far], replace), Ok(1));
        Ok(())
    }

    #[test]
    fn patches_that_follow_each_other() -> Result {
        let insns = program(&[])?;
        let far = jeq7(MAX);
        let (relaxed, told) = relaxed(&insns, |log| {
            replace(log, 7, &[far, mov(1)])?;
            replace(log, 8, &[far, mov(2)])?;
            replace(log, 9, &two())
        })?;
        assert_eq!(*told, [7, 8]);
        let over = jump(bindings::BPF_JMP, bindings::BPF_JNE, 0, 1);
        let gotol = gotol(MAX.into());
        assert!(replaces(&relaxed, 0, 7, &[over, gotol, mov(1)]));
        assert!(replaces(&relaxed, 1, 8, &[over, gotol, mov(2)]));
        Ok(())
    }

    #[test]
    fn gotol_as_far_as_it_reaches() -> Result {
        // Out of the program, as nothing verified leads.
        let insns = program(&[(0, jeq7(MAX)), (40, gotol(i32::MAX - 1))])?;
        let (relaxed, _) = relaxed(&insns, |log| replace(log, 50, &two()))?;
        assert_eq!(relaxed.jumps, 1);
        Ok(())
    }

    #[test]
    fn jump_over_the_others_of_its_patch() -> Result {
        let insns = program(&[])?;
        // It fits until these have grown to three insns each.
        let mut patch = KVVec::new();
        patch.push(jeq7(30_000), GFP_KERNEL)?;
        patch.resize(30_001, jset(MAX), GFP_KERNEL)?;
        patch.push(mov(3), GFP_KERNEL)?;
        let (relaxed, told) = relaxed(&insns, |log| {
            replace(log, 0, &patch)?;
            replace(log, 40, &two())
        })?;
        assert_eq!((relaxed.jumps, relaxed.rounds), (30_001, 1));
        assert_eq!(told.len(), 30_001);
        let log = relaxed.log.ok_or(EINVAL)?;
        let gotol = &log.patch(&log.edits()[0])[1];
        assert_eq!((gotol.code, gotol.imm), (super::gotol(0).code, 90_000));
        Ok(())
    }

    #[test]
    fn process_that_is_killed() -> Result {
        let insns = program(&[(0, jeq7(MAX))])?;
        let mut log = Log::new(LEN as u32);
        replace(&mut log, 9, &two())?;
        // A program of half of the insns after which it asks: asked in none of the rounds.
        let result = relax(&insns, &log, &mut TestHost::that_goes_on(0));
        assert!(result.is_ok());
        let mut long = KVVec::new();
        long.resize(200_000, mov(0), GFP_KERNEL)?;
        long[0] = jeq7(MAX);
        let mut log = Log::new(200_000);
        replace(&mut log, 9, &two())?;
        let result = relax(&long, &log, &mut TestHost::that_goes_on(0));
        assert_eq!(result.err(), Some(EINTR));

        // While many edits are recorded again.
        let mut log = Log::new(LEN as u32);
        (1..PAUSE_EVERY as u32).try_for_each(|idx| replace(&mut log, idx, &[mov(1)]))?;
        replace(&mut log, LEN as u32 - 300, &two())?;
        let mut host = TestHost::that_goes_on(0);
        let result = relax(&insns, &log, &mut host);
        assert_eq!((result.err(), host.asked), (Some(EINTR), 1));
        Ok(())
    }
}
