// SPDX-License-Identifier: GPL-2.0

//! What neither KUnit suites nor random cases tell: numbers that only statistics see, and limits
//! that no program of a test reaches.

use crate::{
    engine::{
        abi::{self, Subprog},
        layout::Layout,
        linfo,
        log::{Kind, Log},
        positions::{self, INSN_DELETED},
        reference::{Reference, REACH},
    },
    host::Outside,
    kunit::harness::{
        ja, mov, prepend as prepend_insns, remove as remove_insns, replace as replace_insn,
    },
};
use kernel::{
    alloc::fail_nth,
    prelude::{Zeroable, E2BIG, EINVAL, ENOMEM},
};

fn replace(log: &mut Log, idx: u32, n: usize) {
    replace_insn(log, idx, &vec![mov(0); n]).expect("a valid edit");
}

fn prepend(log: &mut Log, idx: u32, n: usize) {
    prepend_insns(log, idx, &vec![mov(0); n]).expect("a valid edit");
}

fn remove(log: &mut Log, idx: u32, n: u32) {
    remove_insns(log, idx, n).expect("a valid edit");
}

#[test]
fn room_for_edits_grows_eightfold_at_most() {
    let mut log = Log::new(1_000_000);
    for idx in 0..10 {
        replace(&mut log, idx, 1);
    }
    assert_eq!(log.bytes(), 64 * 16 + 64 * 8);
}

#[test]
fn log_that_is_used_again() {
    let mut log = Log::new(4);
    prepend(&mut log, 1, 1);
    let bytes = log.bytes();
    log.reset(2);
    assert_eq!((log.edits().len(), log.patches_len()), (0, 0));
    assert_eq!((log.program_len(), log.bytes()), (2, bytes));
    let sum = log.sum();
    assert!(sum.added == 0 && !sum.skips && sum.longest_removal == 0);
    // Insn 1 was prepended to in the program before.
    remove(&mut log, 0, 1);
    assert_eq!(remove_insns(&mut log, 2, 1), Err(EINVAL));
}

#[test]
fn insns_that_are_not_to_stay_in_memory() {
    let mut log = Log::new(4);
    replace(&mut log, 1, 3);
    prepend(&mut log, 2, 2);
    log.wipe();
    let insns = log.edits().iter().flat_map(|e| log.patch(e));
    assert_eq!(insns.filter(|i| i.code == 0 && i.imm == 0).count(), 5);
}

#[test]
fn edits_by_insn() {
    let mut log = Log::new(9);
    prepend(&mut log, 2, 1);
    replace(&mut log, 4, 3);
    assert!(log.group_of(2).is_some());
    assert!(log.group_of(3).is_none());
    let sizes = |log: &Log| -> Vec<_> { log.edits().iter().map(|e| log.patch(e).len()).collect() };
    assert_eq!(sizes(&log), [1, 3]);

    log.reset(9);
    remove(&mut log, 4, 3);
    assert!(log.group_of(4).is_some());
    assert!(log.group_of(5).is_none());
    assert_eq!(sizes(&log), [0]);
}

#[test]
fn bytes_held() {
    let mut log = Log::new(10);
    assert_eq!(log.bytes(), 0);
    replace(&mut log, 1, 3);
    // One edit of 16 bytes, three insns.
    assert_eq!(log.bytes(), 16 + 3 * 8);
    replace(&mut log, 2, 1);
    // Two edits in three insns: five more of the seven that are left, and as for insns 4 and 10.
    assert_eq!(log.bytes(), 7 * 16 + 14 * 8);
    assert_eq!(Layout::new(&log).map(|l| l.bytes()), Ok(11 * 4));

    let mut log = Log::new(10);
    remove(&mut log, 5, 1);
    assert_eq!(Layout::new(&log).map(|l| l.bytes()), Ok(11 * 4));
    // Where references into runs lead is a table of its own.
    remove(&mut log, 6, 2);
    assert_eq!(Layout::new(&log).map(|l| l.bytes()), Ok((11 + 10) * 4));
}

#[test]
fn program_that_gets_too_long() {
    // What can be is refused for the memory that is not there.
    let mut log = Log::new(i32::MAX as u32 - 1);
    prepend(&mut log, 0, 1);
    fail_nth(1);
    assert_eq!(Layout::new(&log).err(), Some(ENOMEM));
    replace(&mut log, 1, 1);
    fail_nth(1);
    assert_eq!(Layout::new(&log).err(), Some(E2BIG));
    fail_nth(0);
}

#[test]
fn no_memory_for_the_layout() {
    let mut log = Log::new(4);
    remove(&mut log, 1, 2);
    // The table, then that of references into runs.
    for n in 1..=2 {
        fail_nth(n);
        assert_eq!(Layout::new(&log).err(), Some(ENOMEM));
    }
    fail_nth(3);
    assert_eq!(Layout::new(&log).map(|l| l.new_len()), Ok(2));
    fail_nth(0);
}

#[test]
fn no_memory_for_an_edit() {
    // The array of edits, then the pool.
    for n in 1..=2 {
        let mut log = Log::new(2);
        fail_nth(n);
        let patch = [mov(0); 2];
        let mut again = || log.record(0, Kind::Replace, &patch);
        assert_eq!(again(), Err(ENOMEM));
        assert_eq!(again(), Ok(()));
        assert_eq!(again(), Err(EINVAL));
        assert_eq!(log.edits().len(), 1);
        assert_eq!(log.patch(&log.edits()[0]).len(), 2);
        // What failed has left nothing behind.
        assert_eq!(log.bytes(), 16 + 2 * 8);
    }
}

#[test]
fn zeroed_arrays() {
    assert_eq!(abi::zeroed::<u32>(3).as_deref(), Ok(&[0, 0, 0][..]));
    fail_nth(1);
    assert_eq!(abi::zeroed::<u32>(3), Err(ENOMEM));
}

#[test]
fn subprogs_without_line_info() {
    let mut log = Log::new(9);
    remove(&mut log, 2, 3);
    let layout = Layout::new(&log).expect("memory");
    let mut subprogs = [Subprog {
        linfo_idx: 7,
        ..Zeroable::zeroed()
    }];
    linfo::rewrite_idx(&mut subprogs, &[], &layout);
    assert_eq!(subprogs[0].linfo_idx, 7);
}

#[test]
fn what_is_no_position_stays() {
    let mut log = Log::new(2);
    replace(&mut log, 0, 3);
    let layout = Layout::new(&log).expect("memory");
    let mut outside = Outside {
        arrays: vec![vec![1, 2], vec![3, INSN_DELETED]],
        ..Outside::new(|_| false)
    };
    positions::rewrite(&mut outside, &layout);
    assert_eq!(outside.arrays, [[3, 4], [3, INSN_DELETED]]);
}

/// A position that upstream may add: `cleanup_pad`, in the aux data of a call, is the index of a landing
/// pad plus one, or 0. It moves as an insn array's value does: one line for each entry that has one.
#[test]
fn index_in_aux_data_is_a_position() {
    let pads = |log: &Log| {
        let layout = Layout::new(log).expect("memory");
        // Insn 1 and 3 of 6 may unwind to insn 4, insn 0 to none.
        let mut host = Outside {
            arrays: vec![vec![4, 4]],
            ..Outside::new(|_| false)
        };
        positions::rewrite(&mut host, &layout);
        host.arrays.remove(0)
    };
    let mut log = Log::new(6);
    prepend(&mut log, 1, 2);
    prepend(&mut log, 4, 3);
    replace(&mut log, 5, 2);
    // To the first insn of the group, as a jump to it.
    assert_eq!(pads(&log), [6, 6]);
    let mut log = Log::new(6);
    remove(&mut log, 2, 1);
    assert_eq!(pads(&log), [3, 3]);
    remove(&mut log, 4, 1);
    assert_eq!(pads(&log), [INSN_DELETED, INSN_DELETED]);
}

#[test]
fn landings_take_one_step_each() {
    // Runs that each lead on into the next one: hopping takes a thousand steps for each reference.
    const RUNS: u32 = 1_000;
    let mut log = Log::new(RUNS * 1_000);
    let mut idx = 0;
    for cnt in (2..=RUNS).rev() {
        remove(&mut log, idx, cnt);
        idx += cnt;
    }
    let layout = Layout::new(&log).expect("memory");
    let start = std::time::Instant::now();
    let mut sum = 0;
    for _ in 0..1_000 {
        for target in 0..1_000 {
            sum += layout.call_target(target);
        }
    }
    assert!(sum > 0);
    // A million, of which each is a look-up; hops are a billion, with a search in each.
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn slack_at_each_end_of_a_field() {
    let goto = Reference::of(&ja(0)).expect("a jump");
    let reach = i64::from(REACH);
    let slacks = [-reach - 2, -reach - 1, -1, 0, reach, reach + 1].map(|d| goto.slack(d));
    assert_eq!(slacks, [-1, 0, reach, reach, 0, -1]);
}
