// SPDX-License-Identifier: GPL-2.0

//! Random programs, as far as rewriting has to do with them: references of every form that reach
//! insns and subprogs as the verifier wants it, and all that has insn indices. What they compute
//! is nonsense.

use super::{
    super::engine::harness::{
        call,
        exit,
        func,
        gotol,
        gotox,
        helper,
        is_tail_call,
        ja,
        jeq,
        kfunc,
        may_goto,
        mov,
        mov32,
        static_branch,
        tail_call,
        STATIC_BRANCHES, //
    },
    fixture::{
        Fixture,
        Size, //
    },
    markers,
    rng::Rng,
};
use crate::engine::{
    abi::Insn,
    positions::INSN_DELETED,
    Program, //
};
use kernel::prelude::*;

/// Insn arrays of a program at most, and values of each.
const ARRAYS: u32 = 2;
const ARRAY_VALUES: u32 = 6;

/// Is insn `idx` the second half of a `ld_imm64`?
pub(super) fn is_second(insns: &[Insn], idx: u32) -> bool {
    // Code 0 is nothing else.
    insns[idx as usize].code == 0
}

/// A random insn that is not a second half.
pub(super) fn first_half(rng: &mut Rng, insns: &[Insn]) -> u32 {
    let idx = rng.below(insns.len() as u32);
    if is_second(insns, idx) {
        idx - 1
    } else {
        idx
    }
}

/// A random one of `items`.
fn pick(rng: &mut Rng, items: &[u32]) -> u32 {
    items[rng.below(items.len() as u32) as usize]
}

/// Starts of random subprogs and, last, the length of the program.
fn subprogs(rng: &mut Rng, insns: &[Insn]) -> Result<KVec<u32>> {
    let len = insns.len() as u32;
    let mut starts = KVec::new();
    starts.push(0, GFP_KERNEL)?;
    let every = len / (1 + rng.below(5)) + 1;
    for idx in 1..len {
        if !is_second(insns, idx) && rng.once_in(every) && starts.len() < 200 {
            starts.push(idx, GFP_KERNEL)?;
        }
    }
    starts.push(len, GFP_KERNEL)?;
    Ok(starts)
}

/// A goto, which is a static branch at two of three places.
fn flavour(insn: Insn, idx: u32) -> Insn {
    match idx as usize % 3 {
        0 => insn,
        n => static_branch(insn, STATIC_BRANCHES[n - 1]),
    }
}

/// A random insn for `idx` that is one slot long, and whether it refers to something.
fn insn(rng: &mut Rng, insns: &[Insn], starts: &[u32], idx: u32) -> Insn {
    let distance = |target: u32| i64::from(target) - i64::from(idx) - 1;
    let to = distance(first_half(rng, insns));
    let subprog = distance(pick(rng, &starts[..starts.len() - 1]));
    // Out of reach of 16 bits, a jump is a long one.
    let near = i16::try_from(to);
    match (rng.below(16), near) {
        (0..=2, Ok(off)) => jeq(0, off),
        (3, Ok(off)) => flavour(ja(off), idx),
        (4, Ok(off)) => may_goto(off),
        (3..=5, _) => flavour(gotol(to as i32), idx),
        (6 | 7, _) => call(subprog as i32),
        (8, _) => gotox(),
        (9, _) => tail_call(),
        (10, _) => helper(0),
        (11, _) => kfunc(0),
        (12, _) => mov32(0),
        (13, _) => exit(),
        _ => mov(0),
    }
}

/// Makes a program of `len` insns.
pub(super) fn random(rng: &mut Rng, len: u32) -> Result<Fixture> {
    let mut insns = KVec::with_capacity(len as usize, GFP_KERNEL)?;
    // Where the pairs are comes first, as nothing may lead into one.
    while insns.len() < len as usize {
        let pair = rng.once_in(10) && insns.len() + 2 < len as usize;
        insns.extend_from_slice(&[mov(0)], GFP_KERNEL)?;
        if pair {
            insns.push(func(0)[1], GFP_KERNEL)?;
        }
    }
    let starts = subprogs(rng, &insns)?;

    for idx in 0..len {
        let is_pair = idx + 1 < len && is_second(&insns, idx + 1);
        let i = idx as usize;
        if is_pair {
            let start = pick(rng, &starts[..starts.len() - 1]);
            insns[i] = func(start as i32 - idx as i32 - 1)[0];
            if rng.once_in(3) {
                // One that loads a number.
                insns[i].set_src_reg(0);
            }
        } else if !is_second(&insns, idx) {
            insns[i] = insn(rng, &insns, &starts, idx);
        }
    }
    // The last insn leaves the program.
    let last = insns.len() - 1;
    if !is_second(&insns, len - 1) && !rng.once_in(4) {
        insns[last] = exit();
    }
    for (insn, marker) in insns.iter_mut().zip(1..) {
        markers::set(insn, marker);
    }
    build(rng, &insns, &starts)
}

/// A fixture with the program and random things that have indices into it.
fn build(rng: &mut Rng, insns: &[Insn], starts: &[u32]) -> Result<Fixture> {
    let len = insns.len() as u32;
    let cnt = starts.len() as u32 - 1;

    // Each subprog begins with line info, if there is any.
    let has_linfo = !rng.once_in(4);
    let mut lines = KVec::new();
    let every = 1 + rng.below(4);
    for idx in 0..len {
        let begins = starts.binary_search(&idx).is_ok();
        if has_linfo && !is_second(insns, idx) && (begins || rng.once_in(every)) {
            lines.push(idx, GFP_KERNEL)?;
        }
    }
    let mut poke = KVec::new();
    if rng.once_in(2) {
        for idx in 0..len {
            if is_tail_call(insns[idx as usize]) && poke.len() < 8 {
                poke.push(idx, GFP_KERNEL)?;
            }
        }
    }

    let size = Size {
        insns: len,
        subprogs: cnt,
        linfo: lines.len() as u32,
        func_info: if rng.once_in(3) { 0 } else { cnt },
        poke: poke.len() as u32,
        arrays: rng.below(ARRAYS + 1),
        array_values: ARRAY_VALUES,
    };
    let mut fixture = Fixture::new(&size)?;
    fixture.fill(|program| fill(rng, program, insns, starts, &lines));
    fixture.fill_poke(&poke);
    let mut offs = [0; (ARRAYS * ARRAY_VALUES) as usize];
    for off in &mut offs {
        *off = if rng.once_in(8) {
            INSN_DELETED
        } else {
            first_half(rng, insns)
        };
    }
    fixture.fill_arrays(&offs);
    Ok(fixture)
}

/// Fills what is zero so far, with a number of its own wherever one is carried along.
fn fill(rng: &mut Rng, program: Program<'_>, insns: &[Insn], starts: &[u32], lines: &[u32]) {
    program.insns.copy_from_slice(insns);
    for (linfo, &off) in program.linfo.iter_mut().zip(lines) {
        linfo.insn_off = off;
        linfo.line_off = 1000 + off;
    }

    let Some(verified) = program.verified else {
        return;
    };
    for (entry, i) in verified.aux.iter_mut().zip(0u64..) {
        entry.seen = [0, 1, 7][rng.below(3) as usize];
        entry.zext_dst = rng.once_in(2);
        entry.map_key_state = i + 1;
        entry.nospec = rng.once_in(8);
        entry.set_indirect_target(u32::from(rng.once_in(8)));
    }
    for (subprog, &start) in verified.subprogs.iter_mut().zip(starts) {
        subprog.start = start;
        subprog.stack_depth = start as u16;
        let idx = lines.partition_point(|&line| line < start);
        // The entry that marks the end of the program has none.
        let is_end = start as usize == insns.len();
        subprog.linfo_idx = if is_end { 0 } else { idx as u32 };
    }
    for (info, i) in verified.func_info.iter_mut().zip(1..) {
        info.type_id = i;
    }
    for (info, i) in verified.func_info_aux.iter_mut().zip(1..) {
        info.linkage = i;
    }
}
