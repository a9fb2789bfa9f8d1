// SPDX-License-Identifier: GPL-2.0

//! A program and all that goes with it, as slices for the engine: what `view` is in the kernel.

use crate::{
    engine::{
        abi::{FuncInfo, FuncInfoAux, Insn, InsnAux, LineInfo, Subprog},
        host,
        layout::Layout,
        log::{self, Log},
        reach::{self, Failure},
        relax::{relax, ROUNDS},
        Outcome, Program, Verified,
    },
    model::{Edit, Kind, Meta, Sub},
};
use kernel::prelude::{Result, Zeroable};

/// What is there must not matter.
fn junk_aux() -> InsnAux {
    let mut aux = InsnAux::zeroed();
    aux.seen = u32::MAX;
    aux.orig_idx = u32::MAX;
    aux.zext_dst = true;
    aux.set_indirect_target(1);
    aux
}

pub(crate) struct Host {
    pub(crate) insns: Vec<Insn>,
    linfo: Vec<LineInfo>,
    /// What a program that was not verified does not have.
    verified: Option<Parts>,
    outside: Outside,
}

struct Parts {
    entries: Vec<InsnAux>,
    subprogs: Vec<Subprog>,
    func_info: Vec<FuncInfo>,
    func_info_aux: Vec<FuncInfoAux>,
}

/// What the engine asks for: positions that are kept outside of the program, and so on.
pub(crate) struct Outside {
    pub(crate) poke: Vec<u32>,
    pub(crate) arrays: Vec<Vec<u32>>,
    pub(crate) zero_extends: fn(&Insn) -> bool,
    /// How many jumps were relaxed.
    pub(crate) told: u32,
}

impl Outside {
    /// Without positions.
    pub(crate) fn new(zero_extends: fn(&Insn) -> bool) -> Self {
        Self {
            poke: Vec::new(),
            arrays: Vec::new(),
            zero_extends,
            told: 0,
        }
    }
}

impl host::Host for Outside {
    fn relaxes(&mut self, _idx: u32) {
        self.told += 1;
    }

    fn zero_extends(&self, insn: &Insn) -> bool {
        (self.zero_extends)(insn)
    }

    fn poke(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        self.poke.iter_mut().for_each(|p| *p = f(*p));
    }

    fn insn_arrays(&mut self, f: &mut dyn FnMut(u32) -> u32) {
        self.arrays.iter_mut().flatten().for_each(|v| *v = f(*v));
    }
}

/// Records an edit.
pub(crate) fn record(log: &mut Log, edit: &Edit) -> Result {
    let kind = match edit.kind {
        Kind::Prepend { behind: false } => log::Kind::Prepend,
        Kind::Prepend { behind: true } => log::Kind::PrependSkipped,
        Kind::Replace { to_body: false } => log::Kind::Replace,
        Kind::Replace { to_body: true } => log::Kind::ReplaceToBody,
        Kind::Remove { cnt } if edit.patch.is_empty() => return log.remove(edit.idx, cnt),
        Kind::Remove { .. } => log::Kind::Remove,
    };
    log.record(edit.idx, kind, &edit.patch)
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
        Self {
            insns: program.iter().map(|p| p.0).collect(),
            linfo: meta.linfo.iter().map(linfo).collect(),
            verified: verified.then(|| Parts::new(program, meta)),
            outside: Outside {
                poke: meta.poke.clone(),
                arrays: meta.arrays.clone(),
                ..Outside::new(zero_extends)
            },
        }
    }

    /// Applies the edits of `log`, as a session does. If an allocation fails, or the log is
    /// refused, nothing has changed.
    pub(crate) fn session(&mut self, log: &Log) -> Result<(), Failure> {
        let layout = Layout::new(log)?;
        reach::check(&self.insns, &layout, &mut self.outside)?;
        Ok(self.change(&layout)?)
    }

    /// Applies the edits of `log`, and relaxes jumps that do not fit. Returns how many these are.
    pub(crate) fn relaxed_session(&mut self, log: &Log) -> Result<u32> {
        self.outside.told = 0;
        let relaxed = relax(&self.insns, log, &mut self.outside)?;
        assert_eq!(relaxed.jumps, self.outside.told);
        assert!(relaxed.rounds < ROUNDS);
        self.change(&Layout::new(relaxed.log.as_ref().unwrap_or(log))?)?;
        Ok(relaxed.jumps)
    }

    fn change(&mut self, layout: &Layout<'_>) -> Result {
        let outcome = self.apply(layout);
        self.insns.truncate(layout.new_len() as usize);
        self.linfo.truncate(outcome.linfo as usize);
        if let Some(parts) = &mut self.verified {
            parts.cut(&outcome);
        }
        Ok(())
    }

    /// Has the engine change the program; what is left over at the ends of arrays stays.
    pub(crate) fn apply(&mut self, layout: &Layout<'_>) -> Outcome {
        // What is there must not matter.
        let junk = Insn {
            code: 0xff,
            imm: -1,
            ..Default::default()
        };
        let room = self.insns.len().max(layout.new_len() as usize);
        self.insns.resize(room, junk);
        if let Some(parts) = &mut self.verified {
            // No more than that, so that sanitizers see what is past it.
            parts.entries.reserve_exact(room - parts.entries.len());
            parts.entries.resize(room, junk_aux());
        }
        let program = Program {
            insns: &mut self.insns,
            linfo: &mut self.linfo,
            verified: self.verified.as_mut().map(Parts::slices),
        };
        let outcome = program.rewrite(layout, &mut self.outside);
        if let Some(parts) = &mut self.verified {
            parts.entries.truncate(layout.new_len() as usize);
        }
        outcome
    }

    /// All but insns and their aux data.
    pub(crate) fn meta(&self) -> Meta {
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
            arrays: Vec::new(),
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
            meta.poke.clone_from(&self.outside.poke);
            meta.arrays.clone_from(&self.outside.arrays);
        }
        meta
    }

    /// The aux data of each insn, if the program was verified.
    pub(crate) fn aux(&self) -> Option<&[InsnAux]> {
        self.verified.as_ref().map(|parts| &parts.entries[..])
    }
}

impl Parts {
    fn new(program: &[(Insn, InsnAux)], meta: &Meta) -> Self {
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
            subprogs,
            func_info: meta.func_info.iter().map(info).collect(),
            func_info_aux: meta.func_info_aux.iter().map(info_aux).collect(),
        }
    }

    fn slices(&mut self) -> Verified<'_> {
        Verified {
            aux: &mut self.entries,
            subprogs: &mut self.subprogs,
            func_info: &mut self.func_info,
            func_info_aux: &mut self.func_info_aux,
        }
    }

    fn cut(&mut self, outcome: &Outcome) {
        self.subprogs.truncate(outcome.subprogs as usize + 1);
        self.func_info.truncate(outcome.func_info as usize);
        self.func_info_aux.truncate(outcome.func_info as usize);
    }
}
