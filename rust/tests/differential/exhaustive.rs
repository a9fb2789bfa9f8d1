// SPDX-License-Identifier: GPL-2.0

//! All small programs with one reference, and all combinations of edits of their insns.

use super::{
    super::engine::harness::{
        call,
        exit,
        gotol,
        jeq,
        mov,
        mov32,
        prepend,
        prepend_behind,
        remove,
        replace, //
    },
    fixture::{
        Fixture,
        Size, //
    },
    markers,
};
use crate::{
    engine::{
        abi::Insn,
        log::Log, //
    },
    resched::must_abort, //
};
use kernel::prelude::*;

/// Insns of a program at most.
const LEN: u32 = 7;
/// The same, for forms of references other than a 16-bit jump.
const LEN_OF_OTHERS: u32 = 5;

/// What can happen to an insn in a session that adds insns, and in one that removes some.
const ADDS: u32 = 4;
const REMOVES: u32 = 2;

/// The edits that `actions`, a number to the base of what can happen, stands for.
fn edits(len: u32, base: u32, mut actions: u32) -> Result<Log> {
    let mut log = Log::new(len);
    let mut marker = len;
    let mut marked = |mut insn: Insn| {
        marker += 1;
        markers::set(&mut insn, marker);
        insn
    };
    for idx in 0..len {
        match actions % base {
            1 if base == REMOVES => remove(&mut log, idx, 1)?,
            1 => {
                let patch = [marked(mov32(0)), marked(jeq(0, -2)), marked(mov(0))];
                replace(&mut log, idx, &patch)?;
            }
            2 => prepend(&mut log, idx, &[marked(mov(0))])?,
            3 => prepend_behind(&mut log, idx, &[marked(mov(0))])?,
            _ => {}
        }
        actions /= base;
    }
    Ok(log)
}

/// A program of `len` insns of which `from` is `reference`.
fn program(len: u32, from: u32, reference: Insn) -> Result<Fixture> {
    let starts = [0, len / 2, len];
    // One subprog does not begin where another does.
    let starts = if len < 2 { &starts[1..] } else { &starts[..] };
    let size = Size {
        insns: len,
        subprogs: starts.len() as u32 - 1,
        linfo: len.div_ceil(2),
        func_info: starts.len() as u32 - 1,
        poke: 0,
        arrays: 1,
        array_values: len,
    };
    let mut fixture = Fixture::new(&size)?;
    fixture.fill(|program| {
        for (insn, i) in program.insns.iter_mut().zip(0..) {
            *insn = match i {
                _ if i == from => reference,
                _ if i + 1 == len => exit(),
                _ => mov(0),
            };
            markers::set(insn, i + 1);
        }
        for (linfo, i) in program.linfo.iter_mut().zip(0..) {
            linfo.insn_off = 2 * i;
            linfo.line_off = i;
        }
        let Some(verified) = program.verified else {
            return;
        };
        for (entry, i) in verified.aux.iter_mut().zip(1u64..) {
            entry.seen = 1;
            entry.map_key_state = i;
        }
        for (subprog, &start) in verified.subprogs.iter_mut().zip(starts) {
            subprog.start = start;
            subprog.linfo_idx = if start == len { 0 } else { start.div_ceil(2) };
        }
        for (info, i) in verified.func_info.iter_mut().zip(1..) {
            info.type_id = i;
        }
    });
    let offs = [0, 1, 2, 3, 4, 5, 6];
    fixture.fill_arrays(&offs[..len as usize]);
    Ok(fixture)
}

fn check(len: u32, from: u32, reference: Insn, log: &Log) -> Result {
    let mut fixture = program(len, from, reference)?;
    let mut old = KVVec::new();
    old.extend_from_slice(fixture.insns(), GFP_KERNEL)?;
    fixture.session(log)??;
    match markers::references_reach(&old, fixture.insns(), log)? {
        true => Ok(()),
        false => Err(EBADMSG),
    }
}

/// Every combination of keeping, replacing and preceding insns, and of keeping and removing them, with
/// every reference from one insn to another. In every second session aux data stays.
pub(super) fn every_combination() -> Result {
    let mut sessions = 0u64;
    for len in 1..=LEN {
        // All but that which leaves no program.
        let combinations = [(ADDS, ADDS.pow(len)), (REMOVES, REMOVES.pow(len) - 1)];
        for (from, to) in (0..len * len).map(|i| (i / len, i % len)) {
            let distance = to as i32 - from as i32 - 1;
            let forms = [jeq(0, distance as i16), gotol(distance), call(distance)];
            let forms = match len > LEN_OF_OTHERS {
                true => &forms[..1],
                false => &forms[..],
            };
            for &reference in forms {
                for (base, combinations) in combinations {
                    for actions in 0..combinations {
                        let log = edits(len, base, actions)?;
                        check(len, from, reference, &log).inspect_err(|error| {
                            pr_err!(
                                "{error:?}: {len} insns, {from} refers to {to} by code {:#x}, edits {actions:#x} of base {base}\n",
                                reference.code
                            );
                        })?;
                        sessions += 1;
                    }
                }
                must_abort();
            }
        }
    }
    pr_info!("every combination: {sessions} sessions, no difference\n");
    Ok(())
}
