// SPDX-License-Identifier: GPL-2.0

//! Properties of a layout, for programs of any length and any edits that a log takes: each is said anew
//! here, by counting, from the edits alone. A failure prints the smallest case that proptest finds;
//! PROPTEST_CASES says how many it tries.

use crate::{
    engine::{
        abi::Insn,
        layout::Layout,
        log::{Edit, Kind, Log},
    },
    kunit::harness::mov,
};
use proptest::{collection::vec, prelude::*};

/// Insns of the longest programs.
const LONG: u32 = 100_000;

/// What an edit is to be; the numbers are taken for what fits.
#[derive(Clone, Debug)]
struct Wish {
    /// Insns from the edit in front to this one.
    gap: u32,
    kind: u8,
    cnt: u32,
}

fn wishes() -> impl Strategy<Value = (u32, Vec<Wish>)> {
    let gap = prop_oneof![4 => 0_u32..3, 1 => 0_u32..LONG];
    let cnt = prop_oneof![6 => 1_u32..5, 1 => 1_u32..40, 1 => 1_u32..LONG];
    let wish = (gap, 0_u8..8, cnt).prop_map(|(gap, kind, cnt)| Wish { gap, kind, cnt });
    let len = prop_oneof![4 => 1_u32..12, 1 => 1_u32..LONG];
    let many = prop_oneof![4 => 0_usize..12, 1 => 0_usize..200];
    (len, many.prop_flat_map(move |n| vec(wish.clone(), n)))
}

/// A log of those of the wishes that it takes: the first one says whether it removes. Others are
/// refused, which has to leave it as it was.
fn log_of(len: u32, wishes: &[Wish]) -> Log {
    let mut log = Log::new(len);
    let patch: Vec<Insn> = vec![mov(0); LONG as usize];
    let mut idx = 0;
    for wish in wishes {
        idx = (idx + wish.gap).min(len - 1);
        let kind = match wish.kind {
            0 => Kind::Prepend,
            1 => Kind::PrependSkipped,
            2 => Kind::Replace,
            3 => Kind::ReplaceToBody,
            _ => Kind::Remove,
        };
        let before = log.edits().len();
        let result = match kind {
            Kind::Remove => log.remove(idx, wish.cnt.min(len - idx)),
            _ => log.record(idx, kind, &patch[..wish.cnt as usize]),
        };
        let taken = result.is_ok();
        assert_eq!(log.edits().len(), before + usize::from(taken));
    }
    log
}

/// Is old insn `idx` in the new program?
fn stays(edits: &[Edit], idx: u32) -> bool {
    let goes = |edit: &Edit| match edit.kind {
        Kind::Prepend | Kind::PrependSkipped => false,
        Kind::Replace | Kind::ReplaceToBody => edit.idx == idx,
        Kind::Remove => (edit.idx..edit.end()).contains(&idx),
    };
    !edits.iter().any(goes)
}

/// The first index of the group of each old insn, and of the end: the number of earlier insns that stay, and of the
/// insns of earlier patches.
fn starts(len: u32, log: &Log) -> Vec<u32> {
    let mut starts = vec![0; len as usize + 1];
    let mut goes = vec![false; len as usize];
    let mut added = vec![0; len as usize];
    for edit in log.edits() {
        added[edit.idx as usize] += log.patch(edit).len() as u32;
        let gone = match edit.kind {
            Kind::Prepend | Kind::PrependSkipped => 0,
            Kind::Replace | Kind::ReplaceToBody => 1,
            Kind::Remove => edit.end() - edit.idx,
        };
        goes[edit.idx as usize..][..gone as usize].fill(true);
    }
    for old in 0..len as usize {
        starts[old + 1] = starts[old] + u32::from(!goes[old]) + added[old];
    }
    starts
}

/// Where a call of `target` leads. A target within a removed run keeps its distance from the run's first insn, and
/// one past the end its distance from the end.
fn called(edits: &[Edit], starts: &[u32], mut target: i64) -> i64 {
    while let Some(cnt) = edits.iter().find_map(|edit| {
        let gone = i64::from(edit.idx)..i64::from(edit.end());
        let is_in = edit.kind == Kind::Remove && gone.contains(&target);
        is_in.then_some(gone.end - gone.start)
    }) {
        target += cnt;
    }
    let end = starts.len() as i64 - 1;
    match target {
        ..0 => target,
        _ if target > end => i64::from(starts[end as usize]) + target - end,
        _ => starts[target as usize].into(),
    }
}

/// Insns in front of old insn `target` that a jump to it skips: with `all`, all that are put there; else up to
/// the last ones that ask for it.
fn in_front(log: &Log, target: i64, all: bool) -> i64 {
    let edits = log.edits().iter().filter(|e| i64::from(e.idx) == target);
    let prepends: Vec<_> = edits
        .filter(|edit| matches!(edit.kind, Kind::Prepend | Kind::PrependSkipped))
        .map(|edit| {
            let skipped = edit.kind == Kind::PrependSkipped;
            (skipped, log.patch(edit).len() as i64)
        })
        .collect();
    let last = prepends.iter().rposition(|&(behind, _)| all || behind);
    let skipped = &prepends[..last.map_or(0, |last| last + 1)];
    skipped.iter().map(|(_, len)| len).sum()
}

/// Old insns, the ends, and targets outside of the program, as far from its ends as 32 bits reach.
fn targets(len: u32) -> impl Iterator<Item = i64> {
    let len = i64::from(len);
    let far = [i64::from(i32::MIN), -1, len + 1, len + i64::from(i32::MAX)];
    (0..=len.min(30)).chain(len - len.min(3)..=len).chain(far)
}

proptest! {
    // What fails is printed, and not kept in a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layout_is_as_counted((len, wishes) in wishes()) {
        let log = log_of(len, &wishes);
        let layout = Layout::new(&log).expect("memory");
        let starts = starts(len, &log);
        prop_assert_eq!(layout.new_len(), starts[len as usize]);
        for old in 0..=len {
            prop_assert_eq!(layout.start(old), starts[old as usize], "insn {}", old);
        }
        let moved = starts.iter().zip(0..).any(|(&start, old): (_, u32)| start != old);
        prop_assert_eq!(layout.moves(), moved);
    }

    #[test]
    fn pieces_make_up_the_program((len, wishes) in wishes()) {
        let log = log_of(len, &wishes);
        let layout = Layout::new(&log).expect("memory");
        let (mut pos, mut old) = (0, 0);
        for piece in layout.pieces() {
            prop_assert_eq!(piece.pos, pos);
            prop_assert!(piece.kept.start >= old);
            for old in old..piece.kept.start {
                prop_assert!(!stays(log.edits(), old), "insn {} is left out", old);
            }
            prop_assert!(piece.kept.clone().all(|old| stays(log.edits(), old)));
            old = piece.kept.end;
            pos = piece.patch_pos() + piece.edit.map_or(0, |edit| log.patch(edit).len() as u32);
        }
        prop_assert_eq!((pos, old), (layout.new_len(), len));
    }

    #[test]
    fn references_lead_where_they_led((len, wishes) in wishes()) {
        let log = log_of(len, &wishes);
        let layout = Layout::new(&log).expect("memory");
        let starts = starts(len, &log);
        for target in targets(len) {
            let to = called(log.edits(), &starts, target);
            prop_assert_eq!(layout.call_target(target), to, "call of {}", target);
            let jump = to + in_front(&log, target, false);
            prop_assert_eq!(layout.jump_target(target), jump, "jump to {}", target);
            let body = to + in_front(&log, target, true);
            prop_assert_eq!(layout.body_target(target), body, "jump to the body of {}", target);
        }
    }
}
