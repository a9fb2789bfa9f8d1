// SPDX-License-Identifier: GPL-2.0

//! A program with all that goes with it, and insns to make one of.

use crate::{
    abi::{
        self,
        FuncInfo,
        FuncInfoAux,
        Insn,
        InsnArrayValue,
        InsnAux,
        LineInfo,
        PokeDesc,
        Subprog, //
    },
    aux::{
        self,
        Aux, //
    },
    engine::{
        self,
        Program,
        Verified, //
    },
    jumps,
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    track,
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
pub(super) fn mov(imm: i32) -> Insn {
    insn(bindings::BPF_ALU64 | bindings::BPF_MOV, 0, 0, 0, imm)
}

/// `w0 = imm`, which zero-extends
pub(super) fn mov32(imm: i32) -> Insn {
    insn(bindings::BPF_ALU | bindings::BPF_MOV, 0, 0, 0, imm)
}

pub(super) fn exit() -> Insn {
    insn(abi::JMP | abi::EXIT, 0, 0, 0, 0)
}

/// `goto off`
pub(super) fn ja(off: i16) -> Insn {
    insn(abi::JMP | abi::JA, 0, 0, off, 0)
}

/// `gotol imm`
pub(super) fn gotol(imm: i32) -> Insn {
    insn(abi::JMP32 | abi::JA, 0, 0, 0, imm)
}

/// `if r1 == imm goto off`
pub(super) fn jeq(imm: i32, off: i16) -> Insn {
    insn(abi::JMP | bindings::BPF_JEQ, 1, 0, off, imm)
}

/// `may_goto off`
pub(super) fn may_goto(off: i16) -> Insn {
    insn(abi::JMP | bindings::BPF_JCOND, 0, 0, off, 0)
}

/// `gotox r1`
pub(super) fn gotox() -> Insn {
    insn(abi::JMP | abi::JA | bindings::BPF_X, 1, 0, 0, 0)
}

/// A tail call, as the kernel makes it
pub(super) fn tail_call() -> Insn {
    insn(abi::JMP | bindings::BPF_TAIL_CALL, 0, 0, 0, 0)
}

/// `call subprog`
pub(super) fn call(imm: i32) -> Insn {
    insn(abi::JMP | abi::CALL, 0, abi::PSEUDO_CALL, 0, imm)
}

/// `call helper#imm`
pub(super) fn helper(imm: i32) -> Insn {
    insn(abi::JMP | abi::CALL, 0, 0, 0, imm)
}

/// `call kfunc#imm`
pub(super) fn kfunc(imm: i32) -> Insn {
    insn(
        abi::JMP | abi::CALL,
        0,
        bindings::BPF_PSEUDO_KFUNC_CALL,
        0,
        imm,
    )
}

/// Both insns of `r1 = subprog`
pub(super) fn func(imm: i32) -> [Insn; 2] {
    [
        insn(abi::LD_IMM64, 1, abi::PSEUDO_FUNC, 0, imm),
        insn(0, 0, 0, 0, 0),
    ]
}

/// A program and what has insn indices into it.
pub(super) struct Case {
    pub(super) insns: KVec<Insn>,
    entries: KVec<InsnAux>,
    slots: Option<KVec<u32>>,
    added: KVec<InsnAux>,
    pub(super) linfo: KVec<LineInfo>,
    pub(super) subprogs: KVec<Subprog>,
    pub(super) func_info: KVec<FuncInfo>,
    pub(super) func_info_aux: KVec<FuncInfoAux>,
    pub(super) poke: KVec<PokeDesc>,
    pub(super) array: KVec<InsnArrayValue>,
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
    pub(super) fn new(insns: &[Insn]) -> Result<Self> {
        Ok(Self {
            insns: collect(insns.iter().copied())?,
            entries: collect((0..insns.len() as u32).map(|i| InsnAux {
                orig_idx: i,
                seen: 10 + i,
                ..Zeroable::zeroed()
            }))?,
            slots: None,
            added: collect((0..aux::SHARED).map(|bits| {
                let mut entry = Zeroable::zeroed();
                aux::fill_added(&mut entry, bits);
                entry
            }))?,
            linfo: KVec::new(),
            subprogs: Self::subprogs_at(&[0, insns.len() as u32])?,
            func_info: KVec::new(),
            func_info_aux: KVec::new(),
            poke: KVec::new(),
            array: KVec::new(),
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
    pub(super) fn with_subprogs(mut self, starts: &[u32]) -> Result<Self> {
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
    pub(super) fn with_linfo(mut self, offs: &[u32]) -> Result<Self> {
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
    pub(super) fn with_poke(mut self, idxs: &[u32]) -> Result<Self> {
        self.poke = collect(idxs.iter().map(|&insn_idx| PokeDesc {
            insn_idx,
            ..Zeroable::zeroed()
        }))?;
        Ok(self)
    }

    /// With an insn array of `offs`.
    pub(super) fn with_array(mut self, offs: &[u32]) -> Result<Self> {
        self.array = collect(offs.iter().map(|&xlated_off| InsnArrayValue {
            orig_off: xlated_off,
            xlated_off,
            ..Zeroable::zeroed()
        }))?;
        Ok(self)
    }

    /// Applies what `record` records, as a session does.
    pub(super) fn edit(mut self, record: impl FnOnce(&mut Log) -> Result) -> Result<Self> {
        let mut log = Log::new(self.insns.len() as u32);
        record(&mut log)?;
        log.sort()?;
        let layout = Layout::new(&log)?;
        jumps::check(&self.insns, &layout, &log).map_err(|_| ERANGE)?;

        let new_len = layout.new_len() as usize;
        let mut new_slots = match layout.grows || layout.shrinks || self.slots.is_some() {
            true => Some(KVec::zeroed(new_len, GFP_KERNEL)?),
            false => None,
        };
        let added_len = self.added.len() as u32;
        let own = log.subprog_refs() as usize;
        self.added
            .extend_with(own, Zeroable::zeroed(), GFP_KERNEL)?;
        let room = new_len.max(self.insns.len());
        self.insns.resize(room, mov(-1), GFP_KERNEL)?;
        let program = Program {
            insns: &mut self.insns,
            linfo: &mut self.linfo,
            verified: Some(Verified {
                aux: Aux {
                    entries: &mut self.entries,
                    old_slots: self.slots.as_deref(),
                    new_slots: new_slots.as_deref_mut(),
                    added: &mut self.added,
                    added_len,
                },
                subprogs: &mut self.subprogs,
                func_info: &mut self.func_info,
                func_info_aux: &mut self.func_info_aux,
                poke: &mut self.poke,
            }),
        };
        let zero_extends = |insn: &Insn| abi::class(insn) == bindings::BPF_ALU;
        let outcome = engine::apply(program, &layout, &log, &zero_extends);
        track::insn_array(&mut self.array, &layout);

        self.insns.truncate(new_len);
        self.slots = new_slots.or(self.slots);
        self.linfo.truncate(outcome.linfo as usize);
        self.subprogs.truncate(outcome.subprogs as usize + 1);
        self.func_info.truncate(outcome.func_info as usize);
        self.func_info_aux.truncate(outcome.func_info as usize);
        Ok(self)
    }

    fn slot(&self, idx: usize) -> usize {
        self.slots.as_ref().map_or(idx, |s| s[idx] as usize)
    }

    /// The aux data of insn `idx`.
    pub(super) fn aux(&self, idx: usize) -> &InsnAux {
        let slot = self.slot(idx);
        let own = self.entries.len();
        self.entries
            .get(slot)
            .unwrap_or_else(|| &self.added[slot - own])
    }

    /// The same, to prepare it before the first edit.
    pub(super) fn aux_mut(&mut self, idx: usize) -> &mut InsnAux {
        &mut self.entries[idx]
    }

    /// Do two insns share their aux data?
    pub(super) fn share_aux(&self, a: usize, b: usize) -> bool {
        self.slot(a) == self.slot(b)
    }

    /// Are these keys of all aux data those of `expected`?
    pub(super) fn aux_is(&self, key: fn(&InsnAux) -> u32, expected: &[u32]) -> bool {
        let all = || 0..self.insns.len();
        self.insns.len() == expected.len() && all().all(|i| key(self.aux(i)) == expected[i])
    }

    /// Are the insns those of `expected`?
    pub(super) fn is(&self, expected: &[Insn]) -> bool {
        let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
        self.insns.len() == expected.len()
            && self
                .insns
                .iter()
                .zip(expected)
                .all(|(i, e)| key(i) == key(e))
    }

    /// Are the line infos those of `(insn_off, old insn_off)`?
    pub(super) fn linfo_is(&self, expected: &[(u32, u32)]) -> bool {
        let same = |(l, e): (&LineInfo, &(u32, u32))| l.insn_off == e.0 && l.line_off == 100 + e.1;
        self.linfo.len() == expected.len() && self.linfo.iter().zip(expected).all(same)
    }

    /// Are the subprogs' starts those, and the end?
    pub(super) fn starts_are(&self, expected: &[u32]) -> bool {
        are(&self.subprogs, |s| s.start, expected)
    }

    /// Are the insn array's positions those?
    pub(super) fn array_is(&self, expected: &[u32]) -> bool {
        are(&self.array, |v| v.xlated_off, expected)
    }
}

/// Are the keys of `items` those of `expected`? Takes a plain function: what iterators make of
/// closures has names too long for kallsyms.
pub(super) fn are<T>(items: &[T], key: fn(&T) -> u32, expected: &[u32]) -> bool {
    items.len() == expected.len() && items.iter().zip(expected).all(|(i, &e)| key(i) == e)
}

pub(super) fn replace(log: &mut Log, idx: u32, insns: &[Insn]) -> Result {
    log.record(Kind::Replace, idx, insns.len() as u32, insns, 0)
}

pub(super) fn prepend(log: &mut Log, idx: u32, insns: &[Insn]) -> Result {
    log.record(Kind::Prepend, idx, insns.len() as u32, insns, 0)
}

/// Prepends insns that jumps to the insn skip.
pub(super) fn prepend_behind(log: &mut Log, idx: u32, insns: &[Insn]) -> Result {
    let flags = abi::F_JUMPS_BEHIND as u8;
    log.record(Kind::Prepend, idx, insns.len() as u32, insns, flags)
}

/// Replaces an insn by jumps to the bodies of others.
pub(super) fn replace_to_body(log: &mut Log, idx: u32, insns: &[Insn]) -> Result {
    let flags = abi::F_TO_BODY as u8;
    log.record(Kind::Replace, idx, insns.len() as u32, insns, flags)
}

pub(super) fn remove(log: &mut Log, idx: u32, cnt: u32) -> Result {
    log.record(Kind::Remove, idx, cnt, &[], 0)
}
