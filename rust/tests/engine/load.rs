// SPDX-License-Identifier: GPL-2.0

//! Programs that are, or are not, what was accepted: see [`load`](crate::verify::load).

use super::harness::*;
use crate::verify::load::{
    judge,
    Accepted,
    Besides,
    Stop, //
};
use kernel::prelude::*;

/// Returns what is wrong with `case`, which was `accepted`, or nothing.
fn fault(case: &mut Case, accepted: &Accepted) -> Result<&'static str> {
    let mut poke = KVec::new();
    for &at in case.poke() {
        poke.push(at, GFP_KERNEL)?;
    }
    let besides = Besides {
        prologue: 0,
        hidden: 0,
        poke: &poke,
    };
    let (mut program, host) = case.program();
    match judge(accepted, &mut program, host, &besides) {
        Ok(()) => Ok(""),
        Err(Stop::Fault(fault)) => Ok(fault.what.to_str().unwrap_or("?")),
        Err(Stop::Error(error)) => Err(error),
    }
}

fn accept(case: &mut Case) -> Result<Accepted> {
    let (mut program, host) = case.program();
    Accepted::take(&mut program, host)?.ok_or(EINVAL)
}

#[kunit_tests(bpf_patcher_load)]
mod tests {
    use super::*;

    /// A program of two subprogs, with a jump over what will grow and all that refers to insns.
    fn program() -> Result<Case> {
        let insns = [
            jeq(1, 2),
            mov(1),
            call(3),
            mov(3),
            gotox(),
            exit(),
            may_goto(1),
            helper(12),
            exit(),
        ];
        let mut case = Case::new(&insns)?
            .with_subprogs(&[0, 6, 9])?
            .with_linfo(&[0, 2, 6])?
            .with_array(&[1, 3])?
            .with_poke(&[7])?;
        case.aux(3).set_indirect_target(1);
        case.aux(3).nospec = true;
        Ok(case)
    }

    fn rewritten(case: Case) -> Result<Case> {
        let case = case.edit(|log| {
            replace(log, 1, &[mov(10), mov(11)])?;
            prepend(log, 3, &[nospec()])
        })?;
        let case = case.edit(|log| {
            // jumps to insn 6 are now to insn 8
            replace(log, 8, &[mov(60), jeq(0, 3), mov(61), mov(62)])?;
            replace(log, 9, &[mov(70), tail_call()])
        })?;
        case.edit(|log| prepend_behind(log, 8, &[store(8)]))
    }

    #[test]
    fn rewritten_program_is_what_was_accepted() -> Result {
        let mut case = program()?;
        let accepted = accept(&mut case)?;
        // The poke descriptor comes with the tail call.
        assert_eq!(fault(&mut case, &accepted)?, "poke descriptor");
        let mut case = rewritten(case)?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// Each of these changes is told.
    #[test]
    fn what_goes_wrong_is_told() -> Result {
        type Change = fn(&mut Case);
        let changes: [(&str, Change); 15] = [
            ("way into a patch", |c| c.insns[0].off += 1),
            ("way to another insn", |c| c.insns[0].off += 2),
            ("way that is lost", |c| c.insns[0] = mov(0)),
            ("sides of a jump", |c| c.insns[0].code ^= 0x40),
            ("call", |c| c.insns[3].imm += 1),
            ("call that is lost", |c| c.insns[3] = mov(0)),
            ("barrier", |c| c.insns[4] = mov(0)),
            ("way to another insn", |c| c.insns[6] = mov(0)),
            ("indirect jump", |c| c.insns[6] = exit()),
            ("exit", |c| c.insns[7] = ja(-1)),
            ("line info", |c| c.linfo[1].insn_off += 1),
            ("subprog", |c| c.subprogs[1].start += 1),
            ("value of an insn array", |c| c.array()[0] = 0),
            ("way into a patch", |c| c.array()[0] += 1),
            ("order of insns", |c| {
                let scc = c.aux(0).scc;
                c.aux(2).scc = scc;
            }),
        ];
        for (what, change) in changes {
            let mut case = program()?;
            let accepted = accept(&mut case)?;
            let mut case = rewritten(case)?;
            change(&mut case);
            assert_eq!(fault(&mut case, &accepted)?, what);
        }
        Ok(())
    }

    /// A jump that is never taken is relaxed, and what it leads to is removed.
    #[test]
    fn relaxed_jump_to_dead_code() -> Result {
        let mut case = Case::new(&[jeq(1, 2), mov(1), exit(), mov(3), exit()])?;
        for dead in [3, 4] {
            case.aux(dead).seen = 0;
        }
        let accepted = accept(&mut case)?;
        let case = case.edit(|log| {
            let over = jump(kernel::bindings::BPF_JMP, kernel::bindings::BPF_JNE, 0, 1);
            replace(log, 0, &[over, gotol(2)])
        })?;
        let mut case = case.edit(|log| remove(log, 4, 2))?;
        assert_eq!(fault(&mut case, &accepted)?, "way to another insn");
        // As it is in stock, where it is hard-wired.
        let mut case = Case::new(&[jeq(1, 2), mov(1), exit(), mov(3), exit()])?;
        for dead in [3, 4] {
            case.aux(dead).seen = 0;
        }
        let accepted = accept(&mut case)?;
        case.insns[0] = ja(0);
        let case = case.edit(|log| remove(log, 3, 2))?;
        let mut case = case.edit(|log| remove(log, 0, 1))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// The barrier of what was patched before it is put in goes to the last insn of the patch.
    #[test]
    fn barrier_within_a_patch() -> Result {
        let mut case = Case::new(&[mov(0), helper(181), exit()])?;
        case.aux(1).nospec = true;
        let accepted = accept(&mut case)?;
        let case = case.edit(|log| replace(log, 1, &[mov(10), mov(11)]))?;
        let mut case = case.edit(|log| prepend(log, 2, &[nospec()]))?;
        assert_eq!(fault(&mut case, &accepted)?, "barrier");
        Ok(())
    }

    #[test]
    fn nop_with_a_barrier() -> Result {
        for has_barrier in [false, true] {
            let mut case = Case::new(&[mov(0), ja(0), exit()])?;
            case.aux(1).nospec = has_barrier;
            let accepted = accept(&mut case)?;
            let mut case = case.edit(|log| remove(log, 1, 1))?;
            let what = if has_barrier { "barrier of a nop" } else { "" };
            assert_eq!(fault(&mut case, &accepted)?, what);
        }
        Ok(())
    }

    /// The count of a may_goto is compared with 0, by a jump that may be relaxed.
    #[test]
    fn relaxed_may_goto() -> Result {
        for (inverse, what) in [(true, ""), (false, "sides of a jump")] {
            let mut case = Case::new(&[may_goto(1), mov(1), exit()])?;
            let accepted = accept(&mut case)?;
            let op = match inverse {
                true => kernel::bindings::BPF_JNE,
                false => kernel::bindings::BPF_JEQ,
            };
            let over = jump(kernel::bindings::BPF_JMP, op, 0, 1);
            let mut case = case.edit(|log| replace(log, 0, &[mov(0), over, gotol(2), mov(1)]))?;
            assert_eq!(fault(&mut case, &accepted)?, what);
        }
        Ok(())
    }

    #[test]
    fn jump_to_itself() -> Result {
        let mut case = Case::new(&[jeq(1, -1), ja(-1), exit()])?;
        let accepted = accept(&mut case)?;
        let mut case = case.edit(|log| prepend(log, 0, &[nospec()]))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// A jump back may be dead, and go.
    #[test]
    fn dead_jump_back() -> Result {
        let mut case = Case::new(&[ja(1), mov(1), jeq(1, -2), exit()])?;
        case.aux(1).seen = 0;
        let accepted = accept(&mut case)?;
        case.insns[2] = ja(0);
        let case = case.edit(|log| remove(log, 1, 1))?;
        let case = case.edit(|log| remove(log, 0, 1))?;
        let mut case = case.edit(|log| remove(log, 0, 1))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// Slots are put in front of the first insn that stays.
    #[test]
    fn slots_behind_a_nop() -> Result {
        let mut case = Case::new(&[ja(0), mov(1), jeq(1, -2), exit()])?;
        let accepted = accept(&mut case)?;
        let case = case.edit(|log| remove(log, 0, 1))?;
        let mut case = case.edit(|log| prepend_behind(log, 0, &[store(8)]))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// A subprog may lose its first insn.
    #[test]
    fn nop_that_is_called() -> Result {
        let mut case = Case::new(&[call(1), exit(), ja(0), exit()])?.with_subprogs(&[0, 2, 4])?;
        let accepted = accept(&mut case)?;
        let mut case = case.edit(|log| remove(log, 2, 1))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        Ok(())
    }

    /// A nop that an indirect jump leads to must not go.
    #[test]
    fn indirect_jump_to_a_nop() -> Result {
        for is_target in [false, true] {
            let mut case = Case::new(&[gotox(), ja(0), exit()])?.with_array(&[1])?;
            case.aux(1).set_indirect_target(is_target.into());
            let accepted = accept(&mut case)?;
            let mut case = case.edit(|log| remove(log, 1, 1))?;
            let what = if is_target {
                "value of an insn array"
            } else {
                ""
            };
            assert_eq!(fault(&mut case, &accepted)?, what);
        }
        Ok(())
    }

    /// An indirect jump to the first insn of a subprog must not set the slots of may_goto again.
    #[test]
    fn indirect_jump_to_slots() -> Result {
        let mut case = Case::new(&[mov(0), gotox(), exit()])?.with_array(&[0])?;
        case.aux(0).set_indirect_target(1);
        let accepted = accept(&mut case)?;
        let mut case = case.edit(|log| prepend_behind(log, 0, &[store(8)]))?;
        assert_eq!(fault(&mut case, &accepted)?, "");
        case.array()[0] = 0;
        assert_eq!(fault(&mut case, &accepted)?, "way in front of a subprog");
        Ok(())
    }
}
