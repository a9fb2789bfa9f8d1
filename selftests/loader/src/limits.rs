// SPDX-License-Identifier: GPL-2.0

//! What takes long or cannot be done: programs that take quadratic time to rewrite if one is not careful,
//! being killed while a program is rewritten, and what the verifier says when a jump no longer fits.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;
use serde_json::json;

use crate::bpf::{self, Spec};
use crate::insn::Size::W;
use crate::insn::{exit, ja, jmp, ldx, may_goto, mov, Cond, Insn};
use crate::mode::{Mode, Stats, Switch};
use crate::out;
use crate::skb::{IFINDEX, LEN};

/// Pairs of nops, as in the report that led to the kernel's commit 261b61d3735b.
const PAIRS: usize = 131_072;
/// Pairs of may_goto; the verifier does not take many more.
const MAY_GOTOS: usize = 8_000;
/// Nops of the program that is killed, about as many insns as the verifier takes: the more there
/// are, the more of the load is rewriting.
const VICTIM: usize = 999_000;
/// Times that a load is killed in mode stock, where it takes hours and nearly all of it is rewriting.
const KILLS_STOCK: u32 = 8;
/// Times that a load is killed in mode patcher, where rewriting is a fifth of it.
const KILLS_PATCHER: u32 = 64;
/// A process that is killed is gone within this.
const PROMPT: Duration = Duration::from_secs(10);
/// Loads of stock that would take minutes are killed within this.
const STOCK: Duration = Duration::from_secs(2);
/// Bytes of memory that may be gone in the end: a leaked program of these is 140 MB with its aux data.
const LEAK: u64 = 64 << 20;
/// A program of nops takes so much longer than as many other insns at most.
const SLOWER: u32 = 2;

fn filter(name: &str, insns: Vec<Insn>) -> Spec {
    Spec {
        name: name.to_owned(),
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        insns,
        ..Spec::default()
    }
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

/// As many insns as `of` has, and nothing to rewrite.
fn twin(of: &Spec) -> Spec {
    let mut insns = vec![mov(0, 0); of.insns.len() - 1];
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

/// Loads the program that is to be killed; what becomes of it is up to whoever waits.
///
/// # Errors
///
/// What the kernel says.
pub fn victim() -> io::Result<bool> {
    bpf::load(&nops(VICTIM)).map(|_| true)
}

/// Bytes of memory that can be had.
fn available() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or_else(|| io::Error::other("/proc/meminfo has no MemAvailable"))
}

/// Runs a victim and kills it after `delay`. Returns whether it was killed, and how long that took.
fn kill_after(delay: Duration) -> io::Result<(bool, Duration)> {
    let mut child = Command::new("/proc/self/exe")
        .arg("victim")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    sleep(delay);
    let start = Instant::now();
    child.kill()?;
    let status = child.wait()?;
    Ok((status.signal() == Some(libc::SIGKILL), start.elapsed()))
}

/// What became of sessions whose process was killed, by the patcher's counters.
struct Killed {
    /// Given up while edits were recorded.
    recording: u64,
    /// Given up by linearize.
    linearizing: u64,
}

impl Killed {
    /// `grown` is what the loads of victims have added to the counters, each of which has one
    /// session with edits.
    fn of(grown: &Stats) -> Self {
        let linearizing = grown.get("fail_eintr");
        let done = grown.get("insns_in") / (VICTIM as u64 + 2);
        let begun = grown.get("sessions");
        Self {
            recording: begun.saturating_sub(done + linearizing),
            linearizing,
        }
    }
}

/// Kills loads at different times in every mode. True if each process went quickly, nothing was left,
/// and in mode patcher some were given up while edits were recorded and some while they were applied.
fn killed(switch: &mut Switch) -> io::Result<bool> {
    let mut good = true;
    for &mode in switch.modes() {
        switch.set(mode)?;
        let (whole, first, kills) = match mode {
            Mode::Stock => (STOCK, Duration::ZERO, KILLS_STOCK),
            _ => {
                let start = Instant::now();
                victim()?;
                let whole = start.elapsed();
                // The program is verified first.
                (whole, whole / 3, KILLS_PATCHER)
            }
        };
        // What the first one leaves in caches is not to count.
        kill_after(whole / 2)?;
        let before = available()?;
        let counted = Stats::read_if(switch)?;
        let (mut killed, mut slowest) = (0, Duration::ZERO);
        for i in 1..=kills {
            let (was_killed, took) = kill_after(first + (whole - first) * i / kills)?;
            killed += u32::from(was_killed);
            slowest = slowest.max(took);
        }
        let lost = before.saturating_sub(available()?);
        let mut right = killed > 0 && slowest <= PROMPT && lost <= LEAK;
        let mut what = String::new();
        if mode == Mode::Patcher {
            let sessions = Killed::of(&Stats::read()?.since(&counted));
            right &= sessions.recording > 0 && sessions.linearizing > 0;
            what = format!(
                ", {} sessions given up recording and {} linearizing",
                sessions.recording, sessions.linearizing
            );
        }
        good &= right;
        out::progress(&format!(
            "killed in mode {mode}: {killed} of {kills}, at most {} ms each, {} KiB less memory{what}: {}",
            slowest.as_millis(),
            lost >> 10,
            verdict(right)
        ));
    }
    Ok(good)
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
        let other = twin(&spec);
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

/// Loads a program with a jump that no longer fits; true if every mode refuses it with the same words.
fn refused(switch: &mut Switch) -> io::Result<bool> {
    let spec = far_jump();
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
    Ok(right)
}

/// Runs the command; true if all is as it should be.
///
/// # Errors
///
/// A mode that cannot be set, a program that does not load.
pub fn run() -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let mut results = vec![refused(&mut switch)?, killed(&mut switch)?];
    if switch.has_patcher() {
        results.push(quick(&mut switch)?);
    }
    let good = results.iter().filter(|&&good| good).count();
    out::json(&json!({ "summary": {
        "command": "limits", "good": good, "bad": results.len() - good,
    }}));
    Ok(good == results.len())
}
