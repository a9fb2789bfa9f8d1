// SPDX-License-Identifier: GPL-2.0

//! What neither KUnit suites nor random cases tell: numbers that only statistics see, and limits that
//! no program of a test reaches.

use crate::{
    abi::{self, Insn, Subprog},
    host::Host,
    layout::Layout,
    linfo,
    log::{Kind, Log},
    model::Meta,
    stubs::ABORT,
    track,
};
use kernel::{
    alloc::fail_nth,
    bindings::bpf_insn_array_value,
    prelude::{Zeroable, E2BIG, EINVAL, ENOMEM},
};

fn insns(n: usize) -> Vec<Insn> {
    vec![Insn::default(); n]
}

fn replace(log: &mut Log, idx: u32, n: usize) {
    let patch = insns(n);
    log.record(Kind::Replace, idx, n as u32, &patch, 0)
        .expect("a valid edit");
}

fn prepend(log: &mut Log, idx: u32, n: usize) {
    let patch = insns(n);
    log.record(Kind::Prepend, idx, n as u32, &patch, 0)
        .expect("a valid edit");
}

fn remove(log: &mut Log, idx: u32, n: u32) {
    log.record(Kind::Remove, idx, n, &[], 0)
        .expect("a valid edit");
}

/// What `engine::apply` says it has written of a program of `len` insns, in bytes.
fn bytes_moved(len: usize, verified: bool, record: impl FnOnce(&mut Log)) -> u64 {
    let program: Vec<_> = (0..len)
        .map(|_| (Insn::default(), Zeroable::zeroed()))
        .collect();
    let meta = Meta::default();
    let mut host = Host::new(&program, &meta, verified, |_| false);
    let mut log = Log::new(len as u32);
    record(&mut log);
    let layout = Layout::new(&log).expect("memory");
    host.apply(&layout, &log).bytes_moved
}

#[test]
fn bytes_moved_by_replacements() {
    assert_eq!(bytes_moved(10, false, |log| replace(log, 4, 1)), 8);
    // Three new insns, and the five behind.
    assert_eq!(bytes_moved(10, false, |log| replace(log, 4, 3)), 8 * 8);
    // The patch and the insn itself; the nine behind move too.
    assert_eq!(bytes_moved(10, false, |log| prepend(log, 0, 2)), 12 * 8);
    assert_eq!(bytes_moved(10, false, |log| prepend(log, 9, 2)), 3 * 8);
    // Between two edits of the same place nothing moves twice.
    let both = |log: &mut Log| {
        prepend(log, 3, 1);
        replace(log, 3, 1);
        replace(log, 6, 2);
    };
    // 3 behind the last, its 2, 2 between, 1 and 1
    assert_eq!(bytes_moved(10, false, both), 9 * 8);
}

#[test]
fn log_of_a_pass_that_walks_backwards() {
    let mut log = Log::new(9);
    replace(&mut log, 5, 1);
    replace(&mut log, 7, 1);
    assert!(log.is_sorted());
    replace(&mut log, 2, 1);
    assert!(!log.is_sorted());
    log.sort().expect("no two of the same insn");
    assert!(log.is_sorted());
}

#[test]
fn edits_by_insn() {
    let mut log = Log::new(9);
    prepend(&mut log, 2, 1);
    remove(&mut log, 4, 3);
    log.sort().expect("in order");
    assert!(log.group_of(2).is_some());
    assert!(log.group_of(3).is_none());
    let sizes: Vec<_> = log.edits().iter().map(|e| log.insns(e).len()).collect();
    assert_eq!(sizes, [1, 0]);
}

#[test]
fn bytes_moved_by_removals() {
    assert_eq!(bytes_moved(10, false, |log| remove(log, 2, 3)), 5 * 8);
    assert_eq!(bytes_moved(10, false, |log| remove(log, 7, 3)), 0);
    let both = |log: &mut Log| {
        remove(log, 0, 1);
        replace(log, 5, 1);
        remove(log, 9, 1);
    };
    // Insns 1 to 5 and 6 to 8 close up, then 5 is replaced.
    assert_eq!(bytes_moved(10, false, both), 9 * 8);
    let mixed = |log: &mut Log| {
        remove(log, 0, 2);
        replace(log, 5, 3);
    };
    // Eight close up, then the last four make room again for three.
    assert_eq!(bytes_moved(10, false, mixed), 15 * 8);
}

#[test]
fn slots_are_of_four_bytes() {
    assert_eq!(bytes_moved(10, true, |log| replace(log, 4, 1)), 8);
    let grows = |log: &mut Log| replace(log, 4, 3);
    assert_eq!(bytes_moved(10, true, grows), 8 * 8 + 12 * 4);
}

#[test]
fn bytes_held() {
    let mut log = Log::new(10);
    assert_eq!(log.bytes(), 0);
    replace(&mut log, 1, 3);
    // One edit of five numbers, three insns.
    assert_eq!(log.bytes(), 16 + 3 * 8);
    replace(&mut log, 2, 1);
    assert_eq!(log.bytes(), 2 * 16 + 6 * 8);
    let layout = Layout::new(&log).expect("memory");
    assert_eq!(layout.bytes(), 11 * 4);
}

#[test]
fn program_that_gets_too_long() {
    let mut log = Log::new(2);
    log.record(Kind::Replace, 0, i32::MAX as u32 - 1, &[], 0)
        .expect("a valid edit");
    assert_eq!(Layout::new(&log).map(|l| l.new_len()), Ok(i32::MAX as u32));
    let mut log = Log::new(2);
    log.record(Kind::Replace, 0, i32::MAX as u32, &[], 0)
        .expect("a valid edit");
    assert_eq!(Layout::new(&log).err(), Some(E2BIG));
}

#[test]
fn no_memory_for_the_layout() {
    let mut log = Log::new(2);
    replace(&mut log, 0, 2);
    fail_nth(1);
    assert_eq!(Layout::new(&log).err(), Some(ENOMEM));
    assert_eq!(Layout::new(&log).map(|l| l.new_len()), Ok(3));
}

#[test]
fn no_memory_for_an_edit() {
    // The array of edits, then the pool.
    for n in 1..=2 {
        let mut log = Log::new(2);
        fail_nth(n);
        let patch = insns(2);
        let mut again = || log.record(Kind::Replace, 0, 2, &patch, 0);
        assert_eq!(again(), Err(ENOMEM));
        assert_eq!(again(), Ok(()));
        assert_eq!(again(), Err(EINVAL));
        assert_eq!(log.edits().len(), 1);
        assert_eq!(log.insns(&log.edits()[0]).len(), 2);
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
fn jump_that_comes_to_lead_to_itself() {
    let mut program = vec![(Insn::default(), Zeroable::zeroed()); 9];
    program[5].0.code = (abi::JMP | abi::JA) as u8;
    program[5].0.off = -3;
    let mut host = Host::new(&program, &Meta::default(), false, |_| false);
    let mut log = Log::new(9);
    remove(&mut log, 3, 2);
    prepend(&mut log, 5, 2);
    assert_eq!(host.session(&mut log), Ok(()));
    assert_eq!(host.insns[5].off, -1);
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
    linfo::adjust_subprogs(&mut subprogs, &[], &layout);
    assert_eq!(subprogs[0].linfo_idx, 7);
}

#[test]
fn what_is_no_position_stays() {
    let mut log = Log::new(2);
    replace(&mut log, 0, 3);
    let layout = Layout::new(&log).expect("memory");
    let value = |xlated_off| bpf_insn_array_value {
        xlated_off,
        ..Zeroable::zeroed()
    };
    let mut values = [value(1), value(2), value(3), value(abi::INSN_DELETED)];
    track::insn_array(&mut values, &layout);
    let offs = values.map(|v| v.xlated_off);
    assert_eq!(offs, [3, 4, 3, abi::INSN_DELETED]);
}

#[test]
fn loading_process_is_killed() {
    assert!(!abi::must_abort());
    ABORT.set(true);
    assert!(abi::must_abort());
    ABORT.set(false);
}
