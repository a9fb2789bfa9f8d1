// SPDX-License-Identifier: GPL-2.0

//! A program with all that goes with it, and insns to make one of.

use crate::engine::{
    abi::{
        FuncInfo,
        FuncInfoAux,
        Insn,
        InsnAux,
        LineInfo,
        Subprog, //
    },
    host::Host,
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    reach::{
        self,
        Failure, //
    },
    reference::{
        self,
        CALL,
        EXIT,
        JA,
        JMP,
        JMP32,
        LD_IMM64,
        PSEUDO_CALL,
        PSEUDO_FUNC, //
    },
    Program,
    Verified, //
};
use kernel::{
    bindings,
    prelude::*, //
};

fn insn(code: u32, dst: u8, src: u32, off: i16, imm: i32) -> Insn {
    let mut insn = Insn {
        code: code as u8,
        off,
        imm,
        ..Default::default()
    };
    insn.set_dst_reg(dst);
    insn.set_src_reg(src as u8);
    insn
}

/// `r0 = imm`
pub(crate) fn mov(imm: i32) -> Insn {
    insn(bindings::BPF_ALU64 | bindings::BPF_MOV, 0, 0, 0, imm)
}

/// `w0 = imm`, which zero-extends
pub(crate) fn mov32(imm: i32) -> Insn {
    insn(bindings::BPF_ALU | bindings::BPF_MOV, 0, 0, 0, imm)
}

pub(crate) fn exit() -> Insn {
    insn(JMP | EXIT, 0, 0, 0, 0)
}

/// `goto off`
pub(crate) fn ja(off: i16) -> Insn {
    insn(JMP | JA, 0, 0, off, 0)
}

/// `gotol imm`
pub(crate) fn gotol(imm: i32) -> Insn {
    insn(JMP32 | JA, 0, 0, 0, imm)
}

/// The goto or gotol `insn` as a static branch, of which `flags` are the bits.
pub(crate) fn static_branch(mut insn: Insn, flags: u8) -> Insn {
    insn.set_src_reg(flags);
    insn
}

/// Bits of a static branch that begins as a jump, and of one that begins as a nop. The kernel has them with
/// the series of static branches only, and the engine does not look at them.
pub(crate) const STATIC_BRANCHES: [u8; 2] = [1, 3];

/// A speculation barrier
pub(crate) fn nospec() -> Insn {
    insn(0xc2, 0, 0, 0, 0)
}

/// `*(u64 *)(r10 - 8) = imm`
pub(crate) fn store(imm: i32) -> Insn {
    insn(0x7a, 10, 0, -8, imm)
}

/// `if r1 == imm goto off`
pub(crate) fn jeq(imm: i32, off: i16) -> Insn {
    insn(JMP | bindings::BPF_JEQ, 1, 0, off, imm)
}

/// `may_goto off`
pub(crate) fn may_goto(off: i16) -> Insn {
    insn(JMP | bindings::BPF_JCOND, 0, 0, off, 0)
}

/// What an insn becomes to make room scarce.
pub(crate) fn two() -> [Insn; 2] {
    [mov(1), mov(2)]
}

/// A jump of operation `op` that compares `r1` with its number, or with `r2`.
pub(crate) fn jump(class: u32, op: u32, x: u32, off: i16) -> Insn {
    let mut insn = Insn {
        code: (class | op | x) as u8,
        off,
        imm: if x == 0 { 7 } else { 0 },
        ..Insn::default()
    };
    insn.set_dst_reg(1);
    insn.set_src_reg(if x == 0 { 0 } else { 2 });
    insn
}

/// `if r1 == 7 goto off`
pub(crate) fn jeq7(off: i16) -> Insn {
    jeq(7, off)
}

/// `if r1 & 7 goto off`
pub(crate) fn jset(off: i16) -> Insn {
    jump(bindings::BPF_JMP, bindings::BPF_JSET, 0, off)
}

/// Each operation and its inverse.
pub(crate) const OPS: [(u32, u32); 10] = [
    (bindings::BPF_JEQ, bindings::BPF_JNE),
    (bindings::BPF_JNE, bindings::BPF_JEQ),
    (bindings::BPF_JGT, bindings::BPF_JLE),
    (bindings::BPF_JLE, bindings::BPF_JGT),
    (bindings::BPF_JGE, bindings::BPF_JLT),
    (bindings::BPF_JLT, bindings::BPF_JGE),
    (bindings::BPF_JSGT, bindings::BPF_JSLE),
    (bindings::BPF_JSLE, bindings::BPF_JSGT),
    (bindings::BPF_JSGE, bindings::BPF_JSLT),
    (bindings::BPF_JSLT, bindings::BPF_JSGE),
];

/// `gotox r1`
pub(crate) fn gotox() -> Insn {
    insn(JMP | JA | bindings::BPF_X, 1, 0, 0, 0)
}

/// A tail call, as the kernel makes it
pub(crate) fn tail_call() -> Insn {
    insn(JMP | bindings::BPF_TAIL_CALL, 0, 0, 0, 0)
}

/// Is the insn such a tail call?
pub(crate) fn is_tail_call(insn: Insn) -> bool {
    insn.code == tail_call().code
}

/// `call subprog`
pub(crate) fn call(imm: i32) -> Insn {
    insn(JMP | CALL, 0, PSEUDO_CALL, 0, imm)
}

/// `call helper#imm`
pub(crate) fn helper(imm: i32) -> Insn {
    insn(JMP | CALL, 0, 0, 0, imm)
}

/// `call kfunc#imm`
pub(crate) fn kfunc(imm: i32) -> Insn {
    insn(JMP | CALL, 0, bindings::BPF_PSEUDO_KFUNC_CALL, 0, imm)
}

/// Both insns of `r1 = subprog`
pub(crate) fn func(imm: i32) -> [Insn; 2] {
    [insn(LD_IMM64, 1, PSEUDO_FUNC, 0, imm), insn(0, 0, 0, 0, 0)]
}

/// Keeps positions, gives up if it is asked often enough, and remembers what it is told.
pub(crate) struct TestHost {
    poke: KVec<u32>,
    array: KVec<u32>,
    /// How often it has been asked whether to give up, and how often it goes on.
    pub(crate) asked: u32,
    pub(crate) goes_on: u32,
    /// Jumps that were relaxed.
    pub(crate) told: KVec<u32>,
    pub(crate) pauses: u32,
}

impl TestHost {
    /// One that gives up when it is asked once more than `goes_on` times.
    pub(crate) fn that_goes_on(goes_on: u32) -> Self {
        Self {
            poke: KVec::new(),
            array: KVec::new(),
            asked: 0,
            goes_on,
            told: KVec::new(),
            pauses: 0,
        }
    }
}

impl Host for TestHost {
    fn pause(&mut self) {
        self.pauses += 1;
    }

    fn aborts(&mut self) -> bool {
        self.asked += 1;
        self.asked > self.goes_on
    }

    fn relaxes(&mut self, idx: u32) {
        self.told
            .push(idx, GFP_KERNEL)
            .expect("memory for a number");
    }

    fn zero_extends(&self, insn: &Insn) -> bool {
        reference::class(insn) == bindings::BPF_ALU
    }

    fn poke(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        self.poke.iter_mut().for_each(|p| *p = f(*p));
    }

    fn insn_arrays(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        self.array.iter_mut().for_each(|v| *v = f(*v));
    }
}

/// A program and what has insn indices into it.
pub(crate) struct Case {
    pub(crate) insns: KVec<Insn>,
    entries: KVec<InsnAux>,
    pub(crate) linfo: KVec<LineInfo>,
    pub(crate) subprogs: KVec<Subprog>,
    pub(crate) func_info: KVec<FuncInfo>,
    pub(crate) func_info_aux: KVec<FuncInfoAux>,
    host: TestHost,
}

fn collect<T>(items: impl IntoIterator<Item = T>) -> Result<KVec<T>> {
    let mut v = KVec::new();
    for item in items {
        v.push(item, GFP_KERNEL)?;
    }
    Ok(v)
}

impl Case {
    /// A program of one subprog whose insn `i` has `orig_idx` `i` and was seen `10 + i` times.
    pub(crate) fn new(insns: &[Insn]) -> Result<Self> {
        Ok(Self {
            insns: collect(insns.iter().copied())?,
            entries: collect((0..insns.len() as u32).map(|i| InsnAux {
                orig_idx: i,
                seen: 10 + i,
                ..Zeroable::zeroed()
            }))?,
            linfo: KVec::new(),
            subprogs: Self::subprogs_at(&[0, insns.len() as u32])?,
            func_info: KVec::new(),
            func_info_aux: KVec::new(),
            host: TestHost::that_goes_on(u32::MAX),
        })
    }

    fn subprogs_at(starts: &[u32]) -> Result<KVec<Subprog>> {
        let mut subprogs = KVec::new();
        for &start in starts {
            let subprog = Subprog {
                start,
                ..Zeroable::zeroed()
            };
            subprogs.push(subprog, GFP_KERNEL)?;
        }
        Ok(subprogs)
    }

    /// With subprogs at `starts`, the last of which is the length of the program; each has a func
    /// info whose `type_id` is its number.
    pub(crate) fn with_subprogs(mut self, starts: &[u32]) -> Result<Self> {
        self.subprogs = Self::subprogs_at(starts)?;
        let cnt = starts.len() as u32 - 1;
        self.func_info = collect((0..cnt).map(|type_id| FuncInfo {
            insn_off: 0,
            type_id,
        }))?;
        self.func_info_aux = collect((0..cnt).map(|i| FuncInfoAux {
            linkage: i as u16,
            ..Zeroable::zeroed()
        }))?;
        Ok(self)
    }

    /// With line info at the insns of `offs`, whose `line_off` is 100 + that; each subprog that
    /// begins at one has its `linfo_idx`.
    pub(crate) fn with_linfo(mut self, offs: &[u32]) -> Result<Self> {
        self.linfo = collect(offs.iter().map(|&insn_off| LineInfo {
            insn_off,
            line_off: 100 + insn_off,
            ..Default::default()
        }))?;
        let last = self.subprogs.len() - 1;
        for subprog in &mut self.subprogs[..last] {
            let idx = offs.iter().position(|&off| off >= subprog.start);
            subprog.linfo_idx = idx.unwrap_or(0) as u32;
        }
        Ok(self)
    }

    /// With poke descriptors for the insns of `idxs`.
    pub(crate) fn with_poke(mut self, idxs: &[u32]) -> Result<Self> {
        self.host.poke = collect(idxs.iter().copied())?;
        Ok(self)
    }

    /// With an insn array of `offs`.
    pub(crate) fn with_array(mut self, offs: &[u32]) -> Result<Self> {
        self.host.array = collect(offs.iter().copied())?;
        Ok(self)
    }

    /// Applies what `record` records, as a session does.
    pub(crate) fn edit(mut self, record: impl FnOnce(&mut Log) -> Result) -> Result<Self> {
        let mut log = Log::new(self.insns.len() as u32);
        record(&mut log)?;
        let layout = Layout::new(&log)?;
        reach::check(&self.insns, &layout, &mut self.host).map_err(Failure::error)?;

        let new_len = layout.new_len() as usize;
        let room = new_len.max(self.insns.len());
        self.insns.resize(room, mov(-1), GFP_KERNEL)?;
        self.entries.resize(room, Zeroable::zeroed(), GFP_KERNEL)?;
        let (program, host) = self.program();
        let outcome = program.rewrite(&layout, host);

        self.insns.truncate(new_len);
        self.entries.truncate(new_len);
        self.linfo.truncate(outcome.linfo as usize);
        self.subprogs.truncate(outcome.subprogs as usize + 1);
        self.func_info.truncate(outcome.func_info as usize);
        self.func_info_aux.truncate(outcome.func_info as usize);
        Ok(self)
    }

    /// The program with all that goes with it, and its host.
    pub(crate) fn program(&mut self) -> (Program<'_>, &mut TestHost) {
        let program = Program {
            insns: &mut self.insns,
            linfo: &mut self.linfo,
            verified: Some(Verified {
                aux: &mut self.entries,
                subprogs: &mut self.subprogs,
                func_info: &mut self.func_info,
                func_info_aux: &mut self.func_info_aux,
            }),
        };
        (program, &mut self.host)
    }

    /// The aux data of insn `idx`, to look at or, before the first edit, to prepare.
    pub(crate) fn aux(&mut self, idx: u32) -> &mut InsnAux {
        &mut self.entries[idx as usize]
    }

    /// Are these keys of all aux data those of `expected`?
    pub(crate) fn aux_is(&self, key: fn(&InsnAux) -> u32, expected: &[u32]) -> bool {
        self.entries.iter().map(key).eq(expected.iter().copied())
    }

    /// Are the insns those of `expected`?
    pub(crate) fn is(&self, expected: &[Insn]) -> bool {
        let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
        self.insns.len() == expected.len()
            && self
                .insns
                .iter()
                .zip(expected)
                .all(|(i, e)| key(i) == key(e))
    }

    /// Are the line infos those of `(insn_off, old insn_off)`?
    pub(crate) fn linfo_is(&self, expected: &[(u32, u32)]) -> bool {
        let same = |(l, e): (&LineInfo, &(u32, u32))| l.insn_off == e.0 && l.line_off == 100 + e.1;
        self.linfo.len() == expected.len() && self.linfo.iter().zip(expected).all(same)
    }

    /// Are the subprogs' starts those, and the end?
    pub(crate) fn starts_are(&self, expected: &[u32]) -> bool {
        are(&self.subprogs, |s| s.start, expected)
    }

    /// The insn array, to change.
    pub(crate) fn array(&mut self) -> &mut [u32] {
        &mut self.host.array
    }

    /// The poke descriptors' positions.
    pub(crate) fn poke(&self) -> &[u32] {
        &self.host.poke
    }

    /// Are the insn array's positions those?
    pub(crate) fn array_is(&self, expected: &[u32]) -> bool {
        *self.host.array == *expected
    }

    /// Are the poke descriptors' positions those?
    pub(crate) fn poke_is(&self, expected: &[u32]) -> bool {
        *self.host.poke == *expected
    }
}

/// Are the keys of `items` those of `expected`? Takes a plain function: what iterators make of
/// closures has names too long for kallsyms.
pub(crate) fn are<T>(items: &[T], key: fn(&T) -> u32, expected: &[u32]) -> bool {
    items.len() == expected.len() && items.iter().zip(expected).all(|(i, &e)| key(i) == e)
}

pub(crate) fn replace(log: &mut Log, idx: u32, patch: &[Insn]) -> Result {
    log.record(idx, Kind::Replace, patch)
}

pub(crate) fn prepend(log: &mut Log, idx: u32, patch: &[Insn]) -> Result {
    log.record(idx, Kind::Prepend, patch)
}

/// Prepends insns that jumps to the insn skip.
pub(crate) fn prepend_behind(log: &mut Log, idx: u32, patch: &[Insn]) -> Result {
    log.record(idx, Kind::PrependSkipped, patch)
}

/// Replaces an insn by jumps to the bodies of others.
pub(crate) fn replace_to_body(log: &mut Log, idx: u32, patch: &[Insn]) -> Result {
    log.record(idx, Kind::ReplaceToBody, patch)
}

pub(crate) fn remove(log: &mut Log, idx: u32, cnt: u32) -> Result {
    log.remove(idx, cnt)
}
