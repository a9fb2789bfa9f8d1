// SPDX-License-Identifier: GPL-2.0

//! The engine alone: how long each step takes for the benchmark's program, context loads of one insn
//! that become three each.
//!
//! Each step is a function of its own that is not inlined, so that callgrind tells their instructions
//! apart.

use crate::engine::{
    abi::{Insn, InsnAux},
    aux,
    host::Host,
    insns,
    layout::Layout,
    log::{Kind, Log},
    reach,
};
use kernel::{bindings, prelude::Zeroable};
use std::{hint::black_box, time::Instant};

/// Buffers of up to this many bytes are kept for the next session.
const KEPT: usize = 64 << 10;

/// What each step took in the best of some rounds, in ns.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub record: u64,
    pub layout: u64,
    pub check: u64,
    pub insns: u64,
    pub aux: u64,
    /// To copy as many bytes as the result has: insns and aux data.
    pub memcpy: u64,
    pub insns_after: u32,
}

impl Steps {
    /// All that a session does, from the first edit to the new program.
    pub fn total(&self) -> u64 {
        self.record + self.layout + self.check + self.insns + self.aux
    }

    fn best(self, other: Self) -> Self {
        Self {
            record: self.record.min(other.record),
            layout: self.layout.min(other.layout),
            check: self.check.min(other.check),
            insns: self.insns.min(other.insns),
            aux: self.aux.min(other.aux),
            memcpy: self.memcpy.min(other.memcpy),
            insns_after: self.insns_after,
        }
    }
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, u64) {
    let start = Instant::now();
    let result = f();
    (result, start.elapsed().as_nanos() as u64)
}

/// A load of the context that is three insns after its conversion.
fn load() -> Insn {
    Insn {
        code: (bindings::BPF_LDX | bindings::BPF_MEM | bindings::BPF_W) as u8,
        ..Insn::default()
    }
}

struct Loads;

impl Host for Loads {
    fn zero_extends(&self, insn: &Insn) -> bool {
        // As an insn of this program: a load of 32 bits.
        u32::from(insn.code & 0x18) != bindings::BPF_DW
    }

    fn poke(&mut self, _: &mut dyn FnMut(u32) -> u32) {}

    fn insn_arrays(&mut self, _: &mut dyn FnMut(u32) -> u32) {}
}

#[inline(never)]
fn step_record(edits: u32, mut log: Log) -> Log {
    log.reset(edits + 2);
    let patch = [load(); 3];
    for idx in 0..edits {
        log.record(idx, Kind::Replace, black_box(&patch))
            .expect("an edit");
    }
    log
}

#[inline(never)]
fn step_layout(log: &Log) -> Layout<'_> {
    Layout::new(log).expect("a layout")
}

#[inline(never)]
fn step_check(insns: &[Insn], layout: &Layout<'_>, host: &mut impl Host) {
    assert!(reach::check(insns, layout, host).is_ok());
}

#[inline(never)]
fn step_insns(insns: &mut [Insn], layout: &Layout<'_>, host: &mut impl Host) {
    insns::rewrite(insns, layout, host);
}

#[inline(never)]
fn step_aux(entries: &mut [InsnAux], insns: &[Insn], layout: &Layout<'_>, host: &mut impl Host) {
    aux::rewrite(entries, insns, layout, host);
}

#[inline(never)]
fn step_memcpy(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

/// `kept` is the log of the last round, whose memory the next one may use.
fn round(edits: u32, kept: &mut Log) -> Steps {
    let len = edits as usize + 2;
    let after = len + 2 * edits as usize;
    let mut insns = vec![load(); after];
    insns[edits as usize..len].fill(Insn::default());
    let mut entries: Vec<InsnAux> = (0..after).map(|_| InsnAux::zeroed()).collect();
    let mut host = Loads;

    let old_log = core::mem::replace(kept, Log::new(0));
    let (log, record) = timed(|| step_record(edits, old_log));
    let (layout, layout_ns) = timed(|| step_layout(&log));
    let ((), check) = timed(|| step_check(&insns, &layout, &mut host));
    let ((), insns_ns) = timed(|| step_insns(&mut insns, &layout, &mut host));
    let ((), aux_ns) = timed(|| step_aux(&mut entries, &insns, &layout, &mut host));
    black_box((&insns, &entries));

    let bytes = after * (size_of::<Insn>() + size_of::<InsnAux>());
    let (from, mut to) = (vec![1u8; bytes], vec![2u8; bytes]);
    let ((), memcpy) = timed(|| step_memcpy(&mut to, &from));
    black_box(&to);
    let steps = Steps {
        record,
        layout: layout_ns,
        check,
        insns: insns_ns,
        aux: aux_ns,
        memcpy,
        insns_after: layout.new_len(),
    };
    drop(layout);
    // As a session does.
    if log.bytes() <= KEPT {
        *kept = log;
    }
    steps
}

/// Measures the steps for `edits` edits.
pub fn measure(edits: u32, rounds: u32) -> Steps {
    let mut kept = Log::new(0);
    let first = round(edits, &mut kept);
    (1..rounds).fold(first, |best, _| best.best(round(edits, &mut kept)))
}
