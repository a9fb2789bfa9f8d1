// SPDX-License-Identifier: GPL-2.0

//! A program and all that goes with it, as slices for the engine: what `view.rs` is in the kernel.

use crate::{
    abi::{
        FuncInfo, FuncInfoAux, Insn, InsnArrayValue, InsnAux, LineInfo, PokeDesc, Subprog,
        F_JUMPS_BEHIND, F_TO_BODY,
    },
    aux::{self, Aux},
    engine::{self, Outcome, Program, Verified},
    jumps,
    layout::Layout,
    log::{self, Log},
    model::{Edit, Kind, Meta, Sub},
    track,
};
use kernel::prelude::{Error, Result, Zeroable, EINVAL, ERANGE};

/// Why a session's edits were not applied.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// For `ERANGE`, the insn that is to blame.
    pub(crate) insn: Option<u32>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, insn: None }
    }
}

pub(crate) struct Host {
    pub(crate) insns: Vec<Insn>,
    linfo: Vec<LineInfo>,
    arrays: Vec<Vec<InsnArrayValue>>,
    /// What a program that was not verified does not have.
    verified: Option<Parts>,
    zero_extends: fn(&Insn) -> bool,
}

struct Parts {
    entries: Vec<InsnAux>,
    slots: Option<Vec<u32>>,
    added: Vec<InsnAux>,
    subprogs: Vec<Subprog>,
    func_info: Vec<FuncInfo>,
    func_info_aux: Vec<FuncInfoAux>,
    poke: Vec<PokeDesc>,
}

/// Records an edit.
pub(crate) fn record(log: &mut Log, edit: &Edit) -> Result {
    let cnt = edit.patch.len() as u32;
    let (kind, cnt, flags) = match edit.kind {
        Kind::Prepend { behind: true } => (log::Kind::Prepend, cnt, F_JUMPS_BEHIND),
        Kind::Prepend { behind: false } => (log::Kind::Prepend, cnt, 0),
        Kind::Replace { to_body: true } => (log::Kind::Replace, cnt, F_TO_BODY),
        Kind::Replace { to_body: false } => (log::Kind::Replace, cnt, 0),
        Kind::Remove { cnt } => (log::Kind::Remove, cnt, 0),
    };
    log.record(kind, edit.idx, cnt, &edit.patch, flags as u8)
}

impl Host {
    pub(crate) fn new(
        program: &[(Insn, InsnAux)],
        meta: &Meta,
        verified: bool,
        zero_extends: fn(&Insn) -> bool,
    ) -> Self {
        let linfo = |&(insn_off, line_off)| LineInfo {
            insn_off,
            line_off,
            ..Default::default()
        };
        let value = |&xlated_off| InsnArrayValue {
            orig_off: xlated_off,
            xlated_off,
            ..Zeroable::zeroed()
        };
        Self {
            insns: program.iter().map(|p| p.0).collect(),
            linfo: meta.linfo.iter().map(linfo).collect(),
            arrays: meta
                .arrays
                .iter()
                .map(|a| a.iter().map(value).collect())
                .collect(),
            verified: verified.then(|| Parts::new(program, meta)),
            zero_extends,
        }
    }

    /// Applies the edits of `log`, as a session does. If an allocation fails, or the log is refused,
    /// nothing has changed.
    pub(crate) fn session(&mut self, log: &mut Log) -> Result<(), Refused> {
        if log.edits().is_empty() {
            return Ok(());
        }
        log.sort()?;
        let layout = Layout::new(log)?;
        jumps::check(&self.insns, &layout, log).map_err(|too_far| Refused {
            error: ERANGE,
            insn: Some(too_far.idx),
        })?;

        let (old_len, new_len) = (self.insns.len(), layout.new_len() as usize);
        let outcome = self.apply(&layout, log);
        self.insns.truncate(new_len);
        self.linfo.truncate(outcome.linfo as usize);
        if let Some(parts) = &mut self.verified {
            parts.cut(&outcome);
        }
        for array in &mut self.arrays {
            track::insn_array(array, &layout);
        }
        assert_eq!(layout.old_len() as usize, old_len);
        Ok(())
    }

    /// Has the engine change the program; what is left over at the ends of arrays stays.
    pub(crate) fn apply(&mut self, layout: &Layout<'_>, log: &Log) -> Outcome {
        let new_len = layout.new_len() as usize;
        // What is there must not matter.
        let junk = Insn {
            code: 0xff,
            imm: -1,
            ..Default::default()
        };
        self.insns.resize(self.insns.len().max(new_len), junk);
        let zero_extends = self.zero_extends;
        let mut new_slots = None;
        let verified = match &mut self.verified {
            Some(parts) => {
                let moves = layout.grows || layout.shrinks || parts.slots.is_some();
                new_slots = moves.then(|| vec![u32::MAX; new_len]);
                Some(parts.slices(log.subprog_refs(), new_slots.as_deref_mut()))
            }
            None => None,
        };
        let program = Program {
            insns: &mut self.insns,
            linfo: &mut self.linfo,
            verified,
        };
        let outcome = engine::apply(program, layout, log, &zero_extends);
        if let (Some(parts), Some(new)) = (&mut self.verified, new_slots) {
            parts.slots = Some(new);
        }
        outcome
    }

    /// All but insns and their aux data.
    pub(crate) fn meta(&self) -> Meta {
        let arrays = self.arrays.iter();
        let mut meta = Meta {
            linfo: self
                .linfo
                .iter()
                .map(|l| (l.insn_off, l.line_off))
                .collect(),
            subs: Vec::new(),
            func_info: Vec::new(),
            func_info_aux: Vec::new(),
            poke: Vec::new(),
            arrays: arrays
                .map(|a| a.iter().map(|v| v.xlated_off).collect())
                .collect(),
        };
        if let Some(parts) = &self.verified {
            let sub = |s: &Subprog| Sub {
                start: s.start,
                linfo_idx: s.linfo_idx,
                tag: s.stack_depth,
            };
            meta.subs = parts.subprogs.iter().map(sub).collect();
            meta.func_info = parts.func_info.iter().map(|f| f.type_id).collect();
            meta.func_info_aux = parts.func_info_aux.iter().map(|f| f.linkage).collect();
            meta.poke = parts.poke.iter().map(|p| p.insn_idx).collect();
        }
        meta
    }

    /// The aux data of insn `idx`, if the program was verified.
    pub(crate) fn aux(&self, idx: usize) -> Option<&InsnAux> {
        let parts = self.verified.as_ref()?;
        let slot = parts.slot(idx);
        let own = parts.entries.len();
        Some(match slot.checked_sub(own) {
            Some(added) => &parts.added[added],
            None => &parts.entries[slot],
        })
    }

    /// Asserts that only shared entries are shared, and that no insn shares one that has to have
    /// its own.
    pub(crate) fn assert_slots(&self) {
        let Some(parts) = &self.verified else {
            return;
        };
        let shared = parts.entries.len()..parts.entries.len() + aux::SHARED as usize;
        let mut taken = vec![false; parts.entries.len() + parts.added.len()];
        for (idx, insn) in self.insns.iter().enumerate() {
            let slot = parts.slot(idx);
            if shared.contains(&slot) {
                assert!(!aux::needs_own(insn), "insn {idx} shares its aux data");
            } else {
                assert!(!taken[slot], "insn {idx} has another's aux data");
                taken[slot] = true;
            }
        }
    }
}

impl Parts {
    fn new(program: &[(Insn, InsnAux)], meta: &Meta) -> Self {
        let shared = |bits| {
            let mut entry = Zeroable::zeroed();
            aux::fill_added(&mut entry, bits);
            entry
        };
        let subprog = |s: &Sub| Subprog {
            start: s.start,
            linfo_idx: s.linfo_idx,
            stack_depth: s.tag,
            ..Zeroable::zeroed()
        };
        let info = |&type_id| FuncInfo {
            insn_off: 0,
            type_id,
        };
        let info_aux = |&linkage| FuncInfoAux {
            linkage,
            ..Zeroable::zeroed()
        };
        let poke = |&insn_idx| PokeDesc {
            insn_idx,
            ..Zeroable::zeroed()
        };
        let mut subprogs: Vec<_> = meta.subs.iter().map(subprog).collect();
        if subprogs.is_empty() {
            // No program is without one.
            let start = program.len() as u32;
            let at = |start| Subprog {
                start,
                ..Zeroable::zeroed()
            };
            subprogs = vec![at(0), at(start)];
        }
        Self {
            entries: program.iter().map(|p| p.1).collect(),
            slots: None,
            added: (0..aux::SHARED).map(shared).collect(),
            subprogs,
            func_info: meta.func_info.iter().map(info).collect(),
            func_info_aux: meta.func_info_aux.iter().map(info_aux).collect(),
            poke: meta.poke.iter().map(poke).collect(),
        }
    }

    /// With room for `own` more entries of added insns.
    fn slices<'a>(&'a mut self, own: u32, new_slots: Option<&'a mut [u32]>) -> Verified<'a> {
        let added_len = self.added.len() as u32;
        let room = self.added.len() + own as usize;
        self.added.resize(room, Zeroable::zeroed());
        Verified {
            aux: Aux {
                entries: &mut self.entries,
                old_slots: self.slots.as_deref(),
                new_slots,
                added: &mut self.added,
                added_len,
            },
            subprogs: &mut self.subprogs,
            func_info: &mut self.func_info,
            func_info_aux: &mut self.func_info_aux,
            poke: &mut self.poke,
        }
    }

    fn cut(&mut self, outcome: &Outcome) {
        self.subprogs.truncate(outcome.subprogs as usize + 1);
        self.func_info.truncate(outcome.func_info as usize);
        self.func_info_aux.truncate(outcome.func_info as usize);
    }

    fn slot(&self, idx: usize) -> usize {
        self.slots.as_ref().map_or(idx, |s| s[idx] as usize)
    }
}

/// Whether the edits of a log are refused as such.
pub(crate) fn is_invalid(refused: &Refused) -> bool {
    refused.error == EINVAL
}
