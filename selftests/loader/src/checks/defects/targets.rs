// SPDX-License-Identifier: GPL-2.0

//! Targets of indirect jumps that are not where a direct jump to the same insn leads: the first insn of a
//! subprog that gets slots for may_goto, that of a program that gets a prologue, and a nop.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_sys::{BPF_FUNC_ktime_get_ns, BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_SCHED_CLS};

use super::aim::{landings, target};
use super::gotox;
use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::insn::Size::{B, DW, W};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, alu_reg, call, call_rel, exit, gotox, jmp, jmp_reg, ld_imm64, ld_map_value, ldx,
    may_goto, mov, mov_reg, st, Cond, Insn, Op,
};
use crate::bpf::skb::{DATA, DATA_END, LEN};
use crate::bpf::{self, Spec};

/// What stands behind the nop.
const BEHIND: Insn = Insn::new(0xb7, 0, 0, 0, 101);

/// A direct jump, of a kind that the kernel does not use in what it adds.
fn direct(dst: u8, off: i16) -> Insn {
    jmp(Cond::Slt, dst, 1, off)
}

/// Where the direct jump leads to.
fn direct_aim(insns: &[Insn]) -> Option<u32> {
    let code = direct(0, 0).code;
    let at = insns.iter().position(|insn| insn.code == code)?;
    u32::try_from(target(insns, at)?).ok()
}

/// Loads a program with an insn array that has one value, the insn `aim`. `judge` is told where it is in the
/// end, which is None if it was removed, and says something else about the program.
fn look(
    kind: u32,
    name: &str,
    aim: u32,
    insns: fn(&OwnedFd) -> Vec<Insn>,
    judge: impl Fn(&Loaded, Option<u32>) -> io::Result<(Verdict, String)>,
) -> io::Result<Finding> {
    let _jit = match gotox::jit()? {
        Ok(jit) => jit,
        Err(reason) => return Finding::not_here(reason),
    };
    let targets = bpf::create_insn_array(&[aim])?;
    let outcome = load(&Spec::new(kind, name, insns(&targets)))?;
    let Outcome::Loaded(loaded) = &outcome else {
        return outcome.judged(Verdict::Unclear);
    };
    let aim = bpf::insn_positions(targets.as_fd(), 1)?[0];
    let (verdict, what) = judge(loaded, aim)?;
    let what = format!("{outcome}, gotox to {aim:?}, {what}");
    Ok(Finding::Seen(verdict, what))
}

/// May_goto ends a loop after a quarter of a second; here, if it does not, this does, in ns.
const TOO_LONG: u64 = 2_000_000_000;
/// What the program returns then.
const ENDLESS: u32 = 7;
/// The first insn of its subprog, which is given the time when it began.
const LOOP: u32 = 4;

/// A loop of a subprog whose first insn is the target of a direct jump and of an indirect one.
fn endless(targets: &OwnedFd) -> Vec<Insn> {
    let [low, high] = ld_map_value(1, targets.as_raw_fd(), 0);
    let [most, most_high] = ld_imm64(2, TOO_LONG);
    vec![
        call(BPF_FUNC_ktime_get_ns),
        mov_reg(1, 0),
        call_rel(1),
        exit(),
        mov_reg(6, 1),
        may_goto(11),
        call(BPF_FUNC_ktime_get_ns),
        alu_reg(W64, Op::Sub, 0, 6),
        most,
        most_high,
        jmp_reg(Cond::Gt, 0, 2, 8),
        low,
        high,
        ldx(DW, 2, 1, 0),
        mov_reg(1, 6),
        direct(6, -12),
        gotox(2),
        mov(0, 0),
        exit(),
        mov(0, ENDLESS as i32),
        exit(),
    ]
}

/// The indirect jump leads to the slots in front of the insn, so that the loop is counted anew each time.
pub fn to_slots() -> io::Result<Finding> {
    let judge = |loaded: &Loaded, aim| {
        let direct = direct_aim(&loaded.insns);
        let endless = bpf::test_run(loaded.prog.as_fd())? == ENDLESS;
        let verdict = match (direct == aim, endless) {
            (true, false) => Verdict::Right,
            (false, true) => Verdict::Shows,
            _ => Verdict::Unclear,
        };
        let ends = if endless { "does not end" } else { "ends" };
        Ok((verdict, format!("goto to {direct:?}, the loop {ends}")))
    };
    look(
        BPF_PROG_TYPE_SCHED_CLS,
        "gotox_to_slots",
        LOOP,
        endless,
        judge,
    )
}

/// Writes to the packet, which is why a prologue that uses the context makes it writable first. Then the
/// context is gone, and both jumps lead to the first insn, which finds that out. It is not run.
fn writes(targets: &OwnedFd) -> Vec<Insn> {
    let [low, high] = ld_map_value(2, targets.as_raw_fd(), 0);
    vec![
        jmp(Cond::Eq, 1, 0, 13),
        ldx(W, 5, 1, LEN),
        ldx(W, 2, 1, DATA),
        ldx(W, 3, 1, DATA_END),
        mov_reg(4, 2),
        alu_imm(W64, Op::Add, 4, 1),
        jmp_reg(Cond::Gt, 4, 3, 7),
        st(B, 2, 0, 1),
        mov(1, 0),
        direct(5, -10),
        low,
        high,
        ldx(DW, 2, 2, 0),
        gotox(2),
        mov(0, 0),
        exit(),
    ]
}

/// The indirect jump leads to the prologue.
pub fn to_prologue() -> io::Result<Finding> {
    let judge = |loaded: &Loaded, aim| {
        let direct = direct_aim(&loaded.insns);
        let verdict = if direct == aim {
            Verdict::Right
        } else {
            Verdict::Shows
        };
        Ok((verdict, format!("goto to {direct:?}")))
    };
    look(BPF_PROG_TYPE_SCHED_CLS, "gotox_prologue", 0, writes, judge)
}

/// The insn that becomes a nop.
const NOP: u32 = 5;

/// Jumps to a branch that is never taken, to what is dead. It becomes a nop, and is removed.
fn nop(targets: &OwnedFd) -> Vec<Insn> {
    let [low, high] = ld_map_value(1, targets.as_raw_fd(), 0);
    vec![
        mov(6, 0),
        low,
        high,
        ldx(DW, 1, 1, 0),
        gotox(1),
        jmp(Cond::Ne, 6, 0, 2),
        BEHIND,
        exit(),
        mov(0, 2),
        exit(),
    ]
}

/// The indirect jump leads to address 0, as its target is said to be removed. It is not run.
pub fn to_nop() -> io::Result<Finding> {
    let judge = |loaded: &Loaded, aim: Option<u32>| {
        let insns = &loaded.insns;
        let behind = insns.iter().position(|&insn| insn == BEHIND);
        let come_to = aim.map(|aim| landings(insns, aim as usize));
        let verdict = match come_to.as_deref() {
            None => Verdict::Shows,
            Some(&[at]) if usize::try_from(at).ok() == behind => Verdict::Right,
            Some(_) => Verdict::Unclear,
        };
        Ok((verdict, format!("what is behind its target at {behind:?}")))
    };
    look(
        BPF_PROG_TYPE_RAW_TRACEPOINT,
        "gotox_to_nop",
        NOP,
        nop,
        judge,
    )
}
