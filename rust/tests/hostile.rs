// SPDX-License-Identifier: GPL-2.0

//! Callers that break the rules: an errno, or what the rules say, and nothing else. The entry points are
//! called as C calls them, in mode `verify`, so that what is accepted is compared with stock. What stock
//! takes too long for, or has a `BUG_ON()` for, is linearized without that.

use super::{
    differential::fixture::{
        Extras,
        Fixture, //
    },
    engine::harness::*,
};
use crate::{
    engine::{
        abi::Insn,
        positions::INSN_DELETED, //
    },
    entry,
    stats::STATS, //
};
use bindings::{
    bpf_edit_BPF_EDIT_PREPEND as PREPEND,
    bpf_edit_BPF_EDIT_PREPEND_SKIPPED as PREPEND_SKIPPED,
    bpf_edit_BPF_EDIT_REMOVE as REMOVE,
    bpf_edit_BPF_EDIT_REPLACE as REPLACE,
    bpf_edit_BPF_EDIT_REPLACE_TO_BODY as REPLACE_TO_BODY, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

const LEN: u32 = 6;
/// Most insns that a pass patches in place of one, and one more.
const PATCH: usize = 32;

/// Indices and counts at every edge of a program of [`LEN`] insns, of its edits, and of their types.
const EDGES: [u32; 12] = [
    0,
    1,
    LEN - 1,
    LEN,
    LEN + 1,
    1 << 16,
    i32::MAX as u32 - 1,
    i32::MAX as u32,
    i32::MAX as u32 + 1,
    u32::MAX - LEN,
    u32::MAX - 1,
    u32::MAX,
];

fn program() -> Result<Fixture> {
    let insns = [mov(0), jeq(1, 2), mov(2), mov(3), ja(-4), exit()];
    Fixture::of(&insns, &Extras::default())
}

/// What comes of an edit that the rules allow, or not.
fn allowed(allows: bool) -> Result {
    match allows {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// Jumps, calls and addresses of subprogs that lead out of a program of [`LEN`] insns from all of them, or
/// from some.
fn jumps_out() -> Result<KVec<Insn>> {
    let mut jumps = KVec::new();
    for off in [i16::MIN, -9, -7, -6, 5, 6, 9, i16::MAX] {
        jumps.extend_from_slice(&[ja(off), jeq(0, off), may_goto(off)], GFP_KERNEL)?;
    }
    for imm in [i32::MIN, i32::MIN + 1, -9, 9, i32::MAX - 1, i32::MAX] {
        jumps.extend_from_slice(&[gotol(imm), call(imm), func(imm)[0]], GFP_KERNEL)?;
    }
    Ok(jumps)
}

/// A session as C has it.
///
/// # Invariants
///
/// `p` is open, on a program of `fixture` that has room in its page for what the tests add.
struct Open<'a> {
    fixture: &'a mut Fixture,
    p: *mut bindings::bpf_patcher,
    patch: [Insn; PATCH],
    /// Sessions that had differed from stock when this began.
    differences: u64,
}

impl<'a> Open<'a> {
    fn new(fixture: &'a mut Fixture) -> Result<Self> {
        // INVARIANT: As said.
        Ok(Self {
            p: entry::into_raw(fixture.open(true)?),
            fixture,
            patch: [mov(10); PATCH],
            differences: STATS.verify_differences.get(),
        })
    }

    /// `cnt` is at most [`PATCH`], or `idx` is no insn's, or `edit` none that brings insns.
    fn record(&self, edit: bindings::bpf_edit, idx: u32, cnt: u32) -> Result {
        let insns = self.patch.as_ptr();
        // SAFETY: By the type invariants; the patch has `cnt` insns, or nobody looks at it.
        to_result(unsafe { entry::bpf_patcher_record(self.p, edit, idx, insns, cnt) })
    }

    fn replace(&self, idx: u32, cnt: u32) -> Result {
        self.record(REPLACE, idx, cnt)
    }

    fn prepend(&self, idx: u32, cnt: u32) -> Result {
        self.record(PREPEND, idx, cnt)
    }

    fn remove(&self, idx: u32, cnt: u32) -> Result {
        self.record(REMOVE, idx, cnt)
    }

    /// As the entry point does; `EBADE` if the result is not stock's.
    fn linearize(&self) -> Result {
        // SAFETY: By the type invariants.
        let prog = from_err_ptr(unsafe { entry::bpf_patcher_linearize(self.p) })?;
        assert!(prog.cast_const().cast() == self.fixture.prog());
        match STATS.verify_differences.get() == self.differences {
            true => Ok(()),
            false => Err(EBADE),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; it is not used any more.
        unsafe { entry::bpf_patcher_end(self.p) };
    }
}

#[kunit_tests(bpf_patcher_hostile)]
mod tests {
    use super::*;

    #[test]
    fn removals_at_every_edge() -> Result {
        for idx in EDGES {
            for cnt in EDGES {
                let mut fixture = program()?;
                let within = cnt > 0 && u64::from(idx) + u64::from(cnt) <= u64::from(LEN);
                let session = Open::new(&mut fixture)?;
                let result = session.remove(idx, cnt);
                assert_eq!(result, allowed(within));
                session.linearize()?;
                drop(session);
                let left = LEN - if within { cnt } else { 0 };
                assert_eq!(fixture.insns().len(), left as usize);
            }
        }
        Ok(())
    }

    #[test]
    fn patches_at_every_edge() -> Result {
        for idx in EDGES {
            for cnt in [0, 1, 2, PATCH as u32 - 1, PATCH as u32] {
                for replaces in [false, true] {
                    let mut fixture = program()?;
                    let within = cnt > 0 && idx < LEN;
                    let session = Open::new(&mut fixture)?;
                    let result = match replaces {
                        true => session.replace(idx, cnt),
                        false => session.prepend(idx, cnt),
                    };
                    assert_eq!(result, allowed(within));
                    session.linearize()?;
                    drop(session);
                    let added = if within { cnt - u32::from(replaces) } else { 0 };
                    assert_eq!(fixture.insns().len(), (LEN + added) as usize);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn counts_that_are_refused_before_the_patch_is_read() -> Result {
        let mut fixture = program()?;
        let session = Open::new(&mut fixture)?;
        for idx in EDGES.into_iter().filter(|&idx| idx >= LEN) {
            for cnt in EDGES {
                assert_eq!(session.replace(idx, cnt), Err(EINVAL));
                assert_eq!(session.prepend(idx, cnt), Err(EINVAL));
            }
        }
        Ok(())
    }

    #[test]
    fn edits_that_are_none() -> Result {
        let mut fixture = program()?;
        let session = Open::new(&mut fixture)?;
        for edit in EDGES.into_iter().filter(|&edit| edit > REMOVE) {
            for cnt in EDGES {
                assert_eq!(session.record(edit, 1, cnt), Err(EINVAL));
            }
        }
        session.linearize()
    }

    #[test]
    fn edits_that_do_not_go_together() -> Result {
        let mut fixture = program()?;
        let session = Open::new(&mut fixture)?;
        session.replace(1, 2)?;
        for result in [
            session.replace(1, 2),
            session.record(REPLACE_TO_BODY, 1, 2),
            session.prepend(1, 1),
            session.replace(0, 1),
            // What adds insns does not remove any.
            session.remove(1, 1),
            session.remove(0, 2),
            session.remove(2, 1),
            session.remove(LEN - 1, 1),
        ] {
            assert_eq!(result, Err(EINVAL));
        }
        // What was refused has left nothing behind.
        session.prepend(4, 1)?;
        assert_eq!(session.remove(4, 1), Err(EINVAL));
        // Jumps would skip it, but not what is there.
        assert_eq!(session.record(PREPEND_SKIPPED, 4, 1), Err(EINVAL));
        session.replace(4, 1)?;
        session.linearize()?;
        // Nor the other way round.
        session.remove(3, 2)?;
        for idx in 0..LEN {
            assert_eq!(session.replace(idx, 1), Err(EINVAL));
            assert_eq!(session.prepend(idx, 1), Err(EINVAL));
            assert_eq!(session.record(PREPEND_SKIPPED, idx, 1), Err(EINVAL));
        }
        for idx in 0..5 {
            assert_eq!(session.remove(idx, 1), Err(EINVAL));
        }
        session.remove(5, 1)?;
        session.linearize()?;
        drop(session);
        let m = mov(10);
        assert!(fixture.is(&[mov(0), m, m, m, exit()]));
        Ok(())
    }

    #[test]
    fn linearize_twice() -> Result {
        let mut fixture = program()?;
        let session = Open::new(&mut fixture)?;
        session.linearize()?;
        session.replace(3, 2)?;
        session.linearize()?;
        session.linearize()?;
        // The program is one insn longer by now.
        assert_eq!(session.remove(LEN, 2), Err(EINVAL));
        session.remove(LEN, 1)?;
        session.linearize()?;
        drop(session);
        let m = mov(10);
        assert!(fixture.is(&[mov(0), jeq(1, 3), mov(2), m, m, ja(-5)]));
        Ok(())
    }

    #[test]
    fn end_without_linearize() -> Result {
        let mut fixture = program()?;
        for _ in 0..2 {
            let session = Open::new(&mut fixture)?;
            session.prepend(0, 9)?;
            session.replace(5, 3)?;
            drop(session);
            let session = Open::new(&mut fixture)?;
            session.remove(1, 5)?;
            drop(session);
            drop(Open::new(&mut fixture)?);
        }
        assert!(fixture.is(&[mov(0), jeq(1, 2), mov(2), mov(3), ja(-4), exit()]));
        Ok(())
    }

    #[test]
    fn a_million_edits_of_one_insn() -> Result {
        const EDITS: usize = 1 << 20;
        let mut fixture = Fixture::of(&[gotol(0), mov(1), exit()], &Extras::default())?;
        fixture.edit_unchecked(|log| {
            (0..EDITS).try_for_each(|_| prepend_behind(log, 1, &[mov(2)]))?;
            replace(log, 1, &[mov(3)])
        })?;
        let insns = fixture.insns();
        assert_eq!(insns.len(), EDITS + 3);
        // Over all that is put in front.
        assert_eq!(insns[0].imm as usize, EDITS);
        assert_eq!((insns[EDITS].imm, insns[EDITS + 1].imm), (2, 3));
        Ok(())
    }

    #[test]
    fn a_million_values_of_an_insn_array() -> Result {
        const VALUES: usize = 1 << 20;
        let new = [0, 1, INSN_DELETED, 4, 5, 6];
        let mut values = [const { KVVec::new() }; 2];
        for i in 0..VALUES {
            values[0].push((i % new.len()) as u32, GFP_KERNEL)?;
            values[1].push(new[i % new.len()], GFP_KERNEL)?;
        }
        let extras = Extras {
            array: &values[0],
            ..Extras::default()
        };
        let insns = [mov(0), mov(1), mov(2), mov(3), mov(4), exit()];
        let mut fixture = Fixture::of(&insns, &extras)?;
        fixture.edit(|log| {
            replace(log, 1, &[mov(5); 3])?;
            replace(log, 4, &[mov(6)])
        })?;
        fixture.edit(|log| remove(log, 4, 1))?;
        assert!(fixture.array_is(&values[1]));
        Ok(())
    }

    /// One jump over so many insns does not fit; a call does.
    #[test]
    fn a_million_insns_of_one_edit() -> Result {
        let mut patch = KVVec::new();
        patch.resize(1 << 20, mov(2), GFP_KERNEL)?;
        for (insn, expected) in [
            (jeq(0, 1), Err(ERANGE)),
            (gotol(1), Ok(())),
            (call(1), Ok(())),
        ] {
            let mut fixture = Fixture::of(&[insn, mov(1), exit()], &Extras::default())?;
            let result = fixture.edit_unchecked(|log| replace(log, 1, &patch));
            assert_eq!(result, expected);
        }
        Ok(())
    }

    /// No verified program has such jumps. The kernel's own functions have a BUG_ON() for some of them,
    /// so that they are not called here.
    #[test]
    fn jumps_out_of_the_program() -> Result {
        for jump in jumps_out()? {
            let insns = [mov(0), jump, mov(2), mov(3), jump, exit()];
            for kind in 0..4 {
                let mut fixture = Fixture::of(&insns, &Extras::default())?;
                let result = fixture.edit_unchecked(|log| match kind {
                    0 => replace(log, 2, &[jump, mov(4), jump]),
                    1 => prepend_behind(log, 1, &[jump, jump]),
                    2 => remove(log, 2, 2),
                    _ => {
                        replace_to_body(log, 1, &[jump; 3])?;
                        prepend(log, 4, &[jump])
                    }
                });
                assert_eq!(result, Ok(()));
            }
        }
        Ok(())
    }

    #[test]
    fn all_insns_are_removed_and_others_put_in_place() -> Result {
        let mut fixture = program()?;
        fixture.edit(|log| remove(log, 0, LEN))?;
        assert!(fixture.insns().is_empty());
        let session = Open::new(&mut fixture)?;
        for idx in EDGES {
            assert_eq!(session.replace(idx, 1), Err(EINVAL));
            assert_eq!(session.prepend(idx, 1), Err(EINVAL));
            assert_eq!(session.remove(idx, 1), Err(EINVAL));
        }
        drop(session);
        // Mode verify has nothing to copy.
        fixture.edit_unchecked(|_| Ok(()))
    }
}
