// SPDX-License-Identifier: GPL-2.0

//! What takes long or cannot be done: programs that take quadratic time to rewrite if one is not careful,
//! being killed while a program is rewritten, and what the verifier says when a jump no longer fits.

mod killed;

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;
use serde_json::json;

use crate::bpf::insn::Size::W;
use crate::bpf::insn::{exit, ja, jmp, ldx, may_goto, mov, Cond, Insn};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::{self, Spec};
use crate::kernel::far_jumps::Refused;
use crate::kernel::mode::{Mode, Switch};
use crate::out;
pub use killed::{divisions, hardened, kill_after, spec, victim, Phase};

/// Pairs of nops, as in the report that led to the kernel's commit 261b61d3735b.
const PAIRS: usize = 131_072;
/// Pairs of may_goto; the verifier does not take many more.
const MAY_GOTOS: usize = 8_000;
/// A program of nops takes so much longer than as many other insns at most.
const SLOWER: u32 = 2;

fn filter(name: &str, insns: Vec<Insn>) -> Spec {
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

/// `cnt` nops, and an end.
fn nops(cnt: usize) -> Spec {
    let mut insns = vec![ja(0); cnt];
    insns.extend([mov(0, 0), exit()]);
    filter("nops", insns)
}

/// A may_goto that becomes a nop as the one behind it goes: each of them makes the pass look back, here
/// at many nops.
fn nops_in_front() -> Spec {
    let mut insns = vec![ja(0); 2 * PAIRS];
    insns.extend([may_goto(1), may_goto(0)].repeat(MAY_GOTOS));
    insns.extend([mov(0, 0), exit()]);
    filter("nops_in_front", insns)
}

/// `len` insns, and nothing to rewrite.
pub fn twin(len: usize) -> Spec {
    let mut insns = vec![mov(0, 0); len - 1];
    insns.push(exit());
    filter("twin", insns)
}

/// A jump over 32 000 insns, of which 1 000 become three.
fn far_jump() -> Spec {
    let mut insns = vec![ldx(W, 6, 1, LEN), jmp(Cond::Eq, 6, 1, 32_000)];
    insns.extend([ldx(W, 0, 1, IFINDEX); 1_000]);
    insns.extend([mov(0, 0); 31_000]);
    insns.extend([mov(0, 0), exit()]);
    filter("far_jump", insns)
}

fn verdict(right: bool) -> &'static str {
    if right {
        "right"
    } else {
        "WRONG"
    }
}

/// Loads programs that are all nops in patcher mode; true if none takes much longer than its twin.
fn quick(switch: &mut Switch) -> io::Result<bool> {
    let mut good = true;
    for spec in [nops(2 * PAIRS), nops_in_front()] {
        let other = twin(spec.insns.len());
        let best = |spec| {
            let times = (0..5).map(|_| bpf::load(spec).map(|(_, took)| took));
            times
                .collect::<io::Result<Vec<_>>>()
                .map(|times| times.into_iter().min().unwrap_or_default())
        };
        switch.set(Mode::Patcher)?;
        let (took, other) = (best(&spec)?, best(&other)?);
        let right = took <= other * SLOWER;
        good &= right;
        out::progress(&format!(
            "{} in mode patcher: {} insns in {:.1} ms, twin {:.1} ms: {}",
            spec.name,
            spec.insns.len(),
            took.as_secs_f64() * 1e3,
            other.as_secs_f64() * 1e3,
            verdict(right)
        ));
    }
    Ok(good)
}

/// Loads a program with a jump that no longer fits; true if every mode refuses it with the same words,
/// and mode patcher loads it once it may make the jump longer.
fn refused(switch: &mut Switch) -> io::Result<bool> {
    let spec = far_jump();
    let refused = Refused::now()?;
    let mut said = Vec::new();
    for &mode in switch.modes() {
        switch.set(mode)?;
        let errno = bpf::load(&spec).err().and_then(|err| err.raw_os_error());
        let reason = bpf::refusal(&spec).unwrap_or_default();
        out::progress(&format!("far_jump in mode {mode}: {errno:?}, {reason}"));
        said.push((errno, reason));
    }
    let right = said.iter().all(|s| *s == said[0])
        && said[0].1.contains("cannot be patched due to 16-bit range");
    drop(refused);
    if !switch.has_patcher() {
        return Ok(right);
    }
    switch.set(Mode::Patcher)?;
    let loads = bpf::load(&spec);
    let told = bpf::full_log(&spec).contains("insn 1: jump relaxed to 32 bits");
    out::progress(&format!(
        "far_jump if it may be relaxed: {:?}, {}",
        loads.as_ref().err(),
        if told {
            "the log tells"
        } else {
            "NOT in the log"
        }
    ));
    Ok(right && loads.is_ok() && told)
}

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// A mode that cannot be set, a program that does not load.
pub fn run() -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let mut results = vec![refused(&mut switch)?, killed::killed(&mut switch)?];
    if switch.has_patcher() {
        results.push(quick(&mut switch)?);
    }
    let good = results.iter().filter(|&&good| good).count();
    out::json(&json!({ "summary": {
        "command": "limits", "good": good, "bad": results.len() - good,
    }}));
    Ok(good == results.len())
}
