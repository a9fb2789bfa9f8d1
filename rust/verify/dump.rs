// SPDX-License-Identifier: GPL-2.0

//! A difference, in the kernel's log.

use super::{
    compare::Difference,
    decode::Refers,
    load::Fault,
    shadow::Shadow, //
};
use crate::{
    engine::{
        abi::Insn,
        log::Log,
        reach::Failure,
        reference::LD_IMM64,
        Program, //
    },
    pass::Pass,
    view::View, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// Edits to show around the one that the difference is nearest to.
const EDITS: usize = 8;

extern "C" {
    // Of `report.h`.
    fn bpf_patcher_may_dump() -> bool;
    fn bpf_patcher_warn();
}

/// An insn, or none, after a pass.
struct Shown<'a>(Option<&'a Insn>, Pass);

/// May the kernel's log have `imm` of an insn? A distance, always. From the misc fixups on, nothing
/// else: they put addresses of the kernel into programs, and blinding puts secret constants there.
/// Before, a `ld_imm64` may have an address; its second half has no opcode.
fn may_show_imm(pass: Pass, insn: &Insn) -> bool {
    match Refers::of(insn) {
        Some(Refers::JumpByImm | Refers::SubprogByImm) => true,
        _ => pass < Pass::FIXUPS && u32::from(insn.code) != LD_IMM64 && insn.code != 0,
    }
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
    pass: Pass,
    view: &mut View,
    shadow: &mut Shadow,
    log: &Log,
    difference: &Difference,
    ours: Result<(), Failure>,
    stock: Result<(), Failure>,
) {
    // SAFETY: The function takes nothing and locks for itself.
    if unsafe { bpf_patcher_may_dump() } {
        show_all(pass, view, shadow, log, difference, ours, stock);
    }
    // SAFETY: The function takes nothing.
    unsafe { bpf_patcher_warn() };
}

/// Tells that a relaxed jump, of old insn `idx` or of its patch, leads elsewhere.
pub(super) fn dump_relaxed(pass: Pass, view: &View, idx: u32) {
    // SAFETY: The function takes nothing and locks for itself.
    if unsafe { bpf_patcher_may_dump() } {
        pr_err!(
            "verify: {} of program \"{}\" differs from stock: a jump of insn {idx}, relaxed\n",
            pass.name(),
            view.name()
        );
    }
    // SAFETY: The function takes nothing.
    unsafe { bpf_patcher_warn() };
}

/// Tells that a program is not what the verifier had accepted.
pub(super) fn dump_fault(view: &View, fault: &Fault) {
    // SAFETY: The function takes nothing and locks for itself.
    if unsafe { bpf_patcher_may_dump() } {
        pr_err!(
            "verify: load of program \"{}\" differs from what was verified: {} of insn {}, now {}\n",
            view.name(),
            fault.what,
            fault.insn as i32,
            fault.at as i32
        );
    }
    // SAFETY: The function takes nothing.
    unsafe { bpf_patcher_warn() };
}

fn show_all(
    pass: Pass,
    view: &mut View,
    shadow: &mut Shadow,
    log: &Log,
    difference: &Difference,
    ours: Result<(), Failure>,
    stock: Result<(), Failure>,
) {
    pr_err!(
        "verify: {} of program \"{}\" differs from stock: {} {}, {} insns become {}, with stock {}\n",
        pass.name(),
        view.name(),
        difference.what,
        difference.idx,
        log.program_len(),
        view.len(),
        shadow.view.len()
    );
    for (name, result) in [("patcher", ours), ("stock", stock)] {
        match result {
            Ok(()) => {}
            Err(Failure::TooFar(too_far)) => pr_err!(
                "verify:   {name}: the jump of insn {} is too far, insn {} is to blame\n",
                too_far.jump.map_or(-1, i64::from),
                too_far.blamed
            ),
            Err(Failure::Other(error)) => pr_err!("verify:   {name}: {error:?}\n"),
        }
    }
    if let Some((ours, stock)) = difference.positions {
        pr_err!("verify:   position {ours}, with stock {stock}\n");
    }
    show("patcher", &view.program(0).0, difference, pass);
    show("stock", &shadow.view.program(0).0, difference, pass);
    show_edits(log, difference);
}

/// Shows where `difference` is in one of the two programs.
fn show(name: &str, program: &Program<'_>, difference: &Difference, pass: Pass) {
    let i = difference.idx;
    let insn = Shown(program.insns.get(i), pass);
    pr_err!("verify:   {name}: insn {insn}\n");
    let Some(verified) = &program.verified else {
        return;
    };
    if i < program.insns.len() {
        let aux = &verified.aux[i];
        pr_err!(
            "verify:   {name}: aux of insn {i}: orig_idx {} seen {} zext_dst {} indirect_target {}\n",
            aux.orig_idx,
            aux.seen,
            aux.zext_dst,
            aux.indirect_target()
        );
    }
    if let Some(linfo) = program.linfo.get(i) {
        pr_err!(
            "verify:   {name}: line info {i} of {}: insn_off {} line_off {}\n",
            program.linfo.len(),
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
}

/// Shows the edits around the difference: those next to it, if it is in the program itself.
fn show_edits(log: &Log, difference: &Difference) {
    let edits = log.edits();
    let near = edits.partition_point(|e| (e.idx as usize) < difference.idx);
    let from = near.saturating_sub(EDITS / 2);
    pr_err!("verify:   {} edits, those from {from} on:\n", edits.len());
    for edit in edits.iter().skip(from).take(EDITS) {
        pr_err!(
            "verify:     {:?} at insn {}, {} insns\n",
            edit.kind,
            edit.idx,
            edit.len()
        );
    }
}
