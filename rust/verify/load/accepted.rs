// SPDX-License-Identifier: GPL-2.0

//! A program as the verifier has accepted it, before the first pass rewrites it.

use crate::engine::{
    abi::{
        self,
        Array,
        Insn,
        InsnAux,
        LineInfo, //
    },
    host::Host,
    Program, //
};
use crate::verify::decode::Refers;
use kernel::prelude::*;

/// No insn.
pub(super) const NONE: u32 = u32::MAX;

/// The verifier has reached the insn.
pub(super) const SEEN: u8 = 1;
/// It must not run speculatively: `nospec`.
pub(super) const BARRIER: u8 = 2;
/// What is behind it must not either: `nospec_result`.
pub(super) const BARRIER_BEHIND: u8 = 4;
/// An indirect jump leads to it.
pub(super) const INDIRECT: u8 = 8;
/// Second half of a `ld_imm64`.
pub(super) const SECOND: u8 = 16;

/// What an insn does to the flow of control. Opcodes as numbers: nothing is shared with the engine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Exit,
    /// goto, gotol
    Jump,
    /// gotox
    Indirect,
    /// Goes on to the next insn, or jumps: may_goto too.
    Branch,
    /// First half of a `ld_imm64`.
    Wide,
    Call,
    Other,
}

impl Flow {
    pub(super) fn of(insn: &Insn) -> Self {
        match insn.code {
            0x95 => Self::Exit,
            _ if is_static_branch(insn) => Self::Branch,
            0x05 | 0x06 => Self::Jump,
            0x0d => Self::Indirect,
            0x18 => Self::Wide,
            0x85 | 0x8d => Self::Call,
            // A tail call.
            0xf5 => Self::Other,
            code if matches!(code & 7, 5 | 6) => Self::Branch,
            _ => Self::Other,
        }
    }
}

/// Is it a static branch, of the series that has them? It may be off.
pub(super) fn is_static_branch(insn: &Insn) -> bool {
    matches!(insn.code, 0x05 | 0x06) && insn.src_reg() != 0
}

pub(super) fn is_barrier(insn: &Insn) -> bool {
    insn.code == 0xc2
}

pub(super) fn is_tail_call(insn: &Insn) -> bool {
    insn.code == 0xf5
}

/// Is it a store whose `nospec_result` is heeded?
pub(super) fn is_plain_store(insn: &Insn) -> bool {
    // BPF_ST or BPF_STX, BPF_MEM
    matches!(insn.code & 0xe7, 0x62 | 0x63)
}

/// Does it set the slots of may_goto? `*(u64 *)(r10 + off) = imm`
pub(super) fn is_slot(insn: &Insn) -> bool {
    insn.code == 0x7a && insn.dst_reg() == 10
}

/// Where an insn leads, in the same program.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) next: Option<u32>,
    pub(super) target: Option<u32>,
}

/// Returns where insn `at`, which is `insn`, leads.
pub(super) fn ways(insn: &Insn, at: u32) -> Ways {
    let target = || {
        let distance = Refers::of(insn).map_or(0, |r| r.distance(insn));
        u32::try_from(i64::from(at) + 1 + distance)
            .ok()
            .or(Some(NONE))
    };
    match Flow::of(insn) {
        Flow::Exit | Flow::Indirect => Ways::default(),
        Flow::Jump => Ways {
            next: None,
            target: target(),
        },
        Flow::Branch => Ways {
            next: Some(at + 1),
            target: target(),
        },
        Flow::Wide => Ways {
            next: Some(at + 2),
            target: None,
        },
        Flow::Call | Flow::Other => Ways {
            next: Some(at + 1),
            target: None,
        },
    }
}

/// The program, and what the verifier knew of it.
pub(crate) struct Accepted {
    pub(super) insns: Array<Insn>,
    notes: Array<u8>,
    /// Of subprogs, and the end.
    pub(super) starts: Array<u32>,
    /// Of subprogs, if the program has func info.
    pub(super) type_ids: Array<u32>,
    pub(super) linfo: Array<LineInfo>,
    /// Values of all insn arrays.
    pub(super) targets: Array<u32>,
}

impl Accepted {
    /// Remembers `program`, and labels its insns: the entry of insn `i` has `i + 1` in `scc`. Nobody reads
    /// that field any more, an added insn has 0 there, and it goes where the entry goes.
    ///
    /// Returns `None` for a program that was not verified.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn take(program: &mut Program<'_>, host: &mut impl Host) -> Result<Option<Self>> {
        let Some(verified) = program.verified.as_mut() else {
            return Ok(None);
        };
        let mut this = Self {
            insns: Array::new(),
            notes: abi::zeroed(program.insns.len())?,
            starts: Array::new(),
            type_ids: Array::new(),
            linfo: Array::new(),
            targets: Array::new(),
        };
        abi::extend(&mut this.insns, program.insns)?;
        abi::extend(&mut this.linfo, program.linfo)?;
        for subprog in verified.subprogs.iter() {
            abi::push(&mut this.starts, subprog.start)?;
        }
        for info in verified.func_info.iter() {
            abi::push(&mut this.type_ids, info.type_id)?;
        }
        let mut result = Ok(());
        host.insn_arrays(&mut |value| {
            if result.is_ok() {
                result = abi::push(&mut this.targets, value);
            }
            value
        });
        result?;

        for i in 0..this.insns.len() {
            let aux = &mut verified.aux[i];
            aux.scc = i as u32 + 1;
            this.notes[i] |= notes_of(aux);
            if Flow::of(&this.insns[i]) == Flow::Wide {
                if let Some(second) = this.notes.get_mut(i + 1) {
                    *second |= SECOND;
                }
            }
        }
        Ok(Some(this))
    }

    /// Returns the number of insns.
    pub(super) fn len(&self) -> u32 {
        // As many as a program has.
        self.insns.len() as u32
    }

    pub(super) fn has(&self, i: u32, note: u8) -> bool {
        self.notes
            .get(i as usize)
            .is_some_and(|notes| notes & note != 0)
    }

    pub(super) fn flow(&self, i: u32) -> Flow {
        Flow::of(&self.insns[i as usize])
    }

    pub(super) fn ways(&self, i: u32) -> Ways {
        ways(&self.insns[i as usize], i)
    }

    /// Returns the first insn of the subprog of insn `i`.
    pub(super) fn start_of(&self, i: u32) -> u32 {
        let behind = self.starts.partition_point(|&start| start <= i);
        self.starts
            .get(behind.wrapping_sub(1))
            .copied()
            .unwrap_or(i)
    }
}

fn notes_of(aux: &InsnAux) -> u8 {
    let bit = |is_set, note| if is_set { note } else { 0 };
    bit(aux.seen != 0, SEEN)
        | bit(aux.nospec, BARRIER)
        | bit(aux.nospec_result, BARRIER_BEHIND)
        | bit(aux.indirect_target() != 0, INDIRECT)
}
