// SPDX-License-Identifier: GPL-2.0

//! A difference, in the kernel's log.

use super::{
    compare::Difference,
    replay::{
        Known,
        Stopped, //
    },
    shadow::{
        Refused,
        Shadow, //
    },
};
use crate::{
    abi::{
        self,
        Insn, //
    },
    log::Log,
    session::Failure,
    view::{
        State,
        Target, //
    },
};
use kernel::{
    bindings,
    fmt,
    prelude::*, //
};

/// Edits to show around the one that the difference is nearest to.
const EDITS: usize = 8;

extern "C" {
    /// Of `shadow.h`.
    fn bpf_patcher_may_dump() -> bool;
}

fn pass_name(pass: u32) -> &'static str {
    match pass {
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BPF_LOOP => "bpf_loop",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_DEAD_CODE => "dead code",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_NOPS => "nops",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CTX => "ctx accesses",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_FIXUPS => "misc fixups",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_MAY_GOTO => "may_goto slots",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_ZEXT => "zero extension",
        bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING => "blinding",
        _ => "?",
    }
}

/// An insn, or none, after a pass. Constants that may be secret are not for the kernel's log.
struct Shown<'a>(Option<&'a Insn>, u32);

/// Is `imm` nothing but a distance, or a constant that the program's author wrote?
fn may_show_imm(pass: u32, insn: &Insn) -> bool {
    let is_call = abi::class(insn) == abi::JMP && abi::op(insn) == abi::CALL;
    // Blinding draws constants that are secret; a `ld_imm64` is two insns, the second of which has
    // no opcode.
    pass != bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING
        && u32::from(insn.code) != abi::LD_IMM64
        && insn.code != 0
        && (!is_call || u32::from(insn.src_reg()) == abi::PSEUDO_CALL)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(i) = self.0 else {
            return f.write_str("none");
        };
        write!(
            f,
            "code {:#04x} dst {} src {} off {} imm ",
            i.code,
            i.dst_reg(),
            i.src_reg(),
            i.off
        )?;
        match may_show_imm(self.1, i) {
            true => write!(f, "{:#x}", i.imm),
            false => f.write_str("hidden"),
        }
    }
}

/// Tells about a difference, unless many have been told about just now.
pub(super) fn dump(
    pass: u32,
    target: &Target,
    shadow: &Shadow,
    log: &Log,
    difference: &Difference,
    ours: &Result<(), Failure>,
    stock: &Result<Known, Stopped>,
) {
    // SAFETY: The function takes nothing and locks for itself.
    if !unsafe { bpf_patcher_may_dump() } {
        return;
    }

    let (a, b) = (target.state(), shadow.target.state());
    pr_err!(
        "verify: {} of program \"{}\" differs from stock: {} {}, {} insns become {}, with stock {}\n",
        pass_name(pass),
        target.name(),
        difference.what,
        difference.idx,
        log.program_len(),
        a.insns.len(),
        b.insns.len()
    );
    if let Err(failure) = ours {
        let insn = failure.insn.map_or(-1, i64::from);
        pr_err!(
            "verify:   patcher: error {}, insn {insn}\n",
            failure.error.to_errno()
        );
    }
    if let Err(stopped) = stock {
        let why = match stopped.why {
            Refused::Range => "a jump is too far",
            Refused::Memory => "no memory",
            Refused::Aborted => "killed",
        };
        pr_err!("verify:   stock: {why}, insn {}\n", stopped.idx);
    }
    if let Some((ours, stock)) = difference.xlated_off {
        pr_err!("verify:   xlated_off {ours}, with stock {stock}\n");
    }
    for (name, state) in [("patcher", &a), ("stock", &b)] {
        show(name, state, difference, pass);
    }
    show_edits(log, difference);
}

/// Shows where `difference` is in one of the two programs.
fn show(name: &str, state: &State<'_>, difference: &Difference, pass: u32) {
    let i = difference.idx;
    let insn = Shown(state.insns.get(i), pass);
    pr_err!("verify:   {name}: insn {insn}\n");
    let Some(verified) = &state.verified else {
        return;
    };
    if i < state.insns.len() {
        let aux = verified.aux(i);
        pr_err!(
            "verify:   {name}: aux of insn {i}: orig_idx {} seen {} zext_dst {} indirect_target {}\n",
            aux.orig_idx,
            aux.seen,
            aux.zext_dst,
            aux.indirect_target()
        );
    }
    if let Some(linfo) = state.linfo.get(i) {
        pr_err!(
            "verify:   {name}: line info {i} of {}: insn_off {} line_off {}\n",
            state.linfo.len(),
            linfo.insn_off,
            linfo.line_off
        );
    }
    if let Some(subprog) = verified.subprogs.get(i) {
        pr_err!(
            "verify:   {name}: subprog {i} of {}: start {} linfo_idx {}\n",
            verified.subprogs.len() - 1,
            subprog.start,
            subprog.linfo_idx
        );
    }
    if let Some(info) = verified.func_info.get(i) {
        pr_err!(
            "verify:   {name}: func info {i} of {}: type_id {}\n",
            verified.func_info.len(),
            info.type_id
        );
    }
    if let Some(desc) = verified.poke.get(i) {
        pr_err!(
            "verify:   {name}: poke descriptor {i}: insn_idx {}\n",
            desc.insn_idx
        );
    }
}

/// Shows the edits around the difference: those next to it, if it is in the program itself.
fn show_edits(log: &Log, difference: &Difference) {
    let edits = log.edits();
    let near = edits.partition_point(|e| (e.idx as usize) < difference.idx);
    let from = near.saturating_sub(EDITS / 2);
    pr_err!("verify:   {} edits, those from {from} on:\n", edits.len());
    for edit in edits.iter().skip(from).take(EDITS) {
        pr_err!(
            "verify:     {:?} insn {} by {} insns, flags {}\n",
            edit.kind,
            edit.idx,
            edit.cnt,
            edit.flags
        );
    }
}
