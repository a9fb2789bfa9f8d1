// SPDX-License-Identifier: GPL-2.0

//! Processes that are killed while the kernel rewrites their program.
//!
//! A process kills itself by a timer, which it starts just before it loads a program: the signal is
//! then pending at that moment, whatever the kernel does. In mode stock the load takes hours, nearly
//! all of them in the pass that removes nops. In mode patcher the load is short. The counters tell
//! where each was interrupted, and the next timer is set by that: later if the session was not
//! linearized, earlier if it was.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use libbpf_sys::BPF_FUNC_get_prandom_u32;

use super::{filter, nops, verdict, PAIRS};
use crate::args::{Victim, VictimArgs};
use crate::bpf::insn::Size::W;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_reg, call, exit, jmp, ldx, mov, mov_reg, signed, Cond, Op};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::{self, Spec};
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::kernel::sysctl::Setting;
use crate::kernel::timer;
use crate::out;
use crate::suites::{families, ladder};

/// Insns of the program that is killed in mode patcher: long, so that linearize has jumps to look for.
const DIVISIONS: usize = 100_000;
/// Insns of the longest program that is killed, but for its end, and jumps of one of far jumps.
const LOADS: usize = 999_000;
const FAR: usize = 2_000;
/// Rules of the policy that is blinded.
const RULES: usize = 10_000;
/// Times that a load is killed in mode stock, from 0 to [`STOCK`] after it began.
const KILLS_STOCK: u32 = 8;
const STOCK: Duration = Duration::from_secs(2);
/// A process that is killed is gone within this, although other programs may keep the machine busy.
const PROMPT: Duration = Duration::from_secs(10);
/// In mode patcher loads are killed until so many sessions were given up in each of the two phases.
const ENOUGH: u32 = 1;
/// No more loads than these are killed.
const KILLS: u32 = 150;
/// The first load is killed when so many hundredths of its time are over: somewhere in the rewriting,
/// which comes behind the verification.
const FIRST: u32 = 80;
/// From one load to the next the timer changes by this part of the load's time at first, and by
/// [`FINEST`] at last. Loads differ by more on a busy machine, and linearize takes about as long.
const COARSEST: u32 = 10;
const FINEST: u32 = 40;
/// Bytes of memory that may be gone in the end. Each program is 14 MB or more with its aux data.
const LEAK: u64 = 32 << 20;

/// `n` signed divisions, each of which the kernel replaces by ten insns: most of the load is rewriting.
pub fn divisions(n: usize) -> Spec {
    let mut insns = vec![call(BPF_FUNC_get_prandom_u32), mov_reg(1, 0)];
    insns.resize(n + 2, signed(alu_reg(W64, Op::Div, 0, 1)));
    insns.push(exit());
    filter("divisions", insns)
}

/// Jumps over loads that become three insns each, so that most of the jumps do not fit 16 bits.
fn far() -> Spec {
    const OVER: usize = 30_000;
    let mut insns = vec![ldx(W, 6, 1, LEN)];
    for k in 0..FAR as i32 {
        insns.push(jmp(Cond::Eq, 6, k, OVER as i16));
        insns.extend([ldx(W, 0, 1, IFINDEX); 30]);
    }
    insns.resize(insns.len() + OVER, mov(0, 0));
    insns.extend([mov(0, 0), exit()]);
    filter("far", insns)
}

/// What a victim loads.
///
/// # Errors
///
/// As for a family.
pub fn spec(program: Victim) -> io::Result<Spec> {
    Ok(match program {
        Victim::Nops => nops(2 * PAIRS),
        Victim::Divisions => divisions(DIVISIONS),
        Victim::Loads => ladder::conversions(LOADS),
        Victim::Far => far(),
        Victim::Policy => Spec {
            // A victim does not live to undo that: see `hardened`.
            harden: None,
            ..families::policy(RULES)?.spec
        },
    })
}

/// Has the constants of what a victim loads blinded while the setting exists, if it is for that.
///
/// # Errors
///
/// The kernel has no such setting.
pub fn hardened(program: Victim) -> io::Result<Option<Setting>> {
    (program == Victim::Policy)
        .then(|| Setting::set("net/core/bpf_jit_harden", "2"))
        .transpose()
}

/// Loads a program, and is killed by a timer.
///
/// # Errors
///
/// What the kernel says.
pub fn victim(args: &VictimArgs) -> io::Result<bool> {
    if let Some(group) = &args.group {
        // This process.
        fs::write(group.join("cgroup.procs"), "0")?;
    }
    let spec = spec(args.program)?;
    println!("{}", timer::now().as_nanos());
    // Nothing handles SIGALRM, so it is as fatal as SIGKILL.
    timer::start(Duration::from_micros(args.after_us))?;
    bpf::load(&spec).map(|_| true)
}

/// Runs a victim. Returns whether the timer has killed it, and how long it took to be gone then.
///
/// # Errors
///
/// The process cannot be started, dies before it says when its timer began, or ends in another way: its program
/// was refused.
pub fn kill_after(program: Victim, delay: Duration) -> io::Result<(bool, Duration)> {
    let _hardened = hardened(program)?;
    let output = Command::new("/proc/self/exe")
        .args(["victim", "--program"])
        .arg(program.name())
        // A timer of 0 would never expire.
        .arg(format!("--after-us={}", delay.as_micros().max(1)))
        .stdin(Stdio::null())
        .output()?;
    let gone = timer::now();
    let killed = output.status.signal() == Some(libc::SIGALRM);
    let said = String::from_utf8_lossy(&output.stdout);
    if !killed && !output.status.success() {
        let text = format!(
            "the victim is neither killed nor done: {}, {said}",
            output.status
        );
        return Err(io::Error::other(text));
    }
    // The first line.
    let began = said.lines().next().and_then(|line| line.parse().ok());
    let began = began.map(Duration::from_nanos);
    let began = began.ok_or_else(|| io::Error::other("the victim has not begun"))?;
    Ok((killed, gone.saturating_sub(began + delay)))
}

/// Bytes of memory that can be had.
fn available() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map(|kib| kib << 10)
        .ok_or_else(|| io::Error::other("/proc/meminfo has no MemAvailable"))
}

/// What all loads have in common: the process has to be gone soon.
#[derive(Default)]
struct Kills {
    loads: u32,
    killed: u32,
    slowest: Duration,
}

impl Kills {
    fn kill_after(&mut self, program: Victim, delay: Duration) -> io::Result<()> {
        let (killed, took) = kill_after(program, delay)?;
        self.loads += 1;
        self.killed += u32::from(killed);
        self.slowest = self.slowest.max(took);
        Ok(())
    }
}

/// How far a load had come when it was killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No edit was recorded, or none of the next session.
    Before,
    Recording,
    Linearizing,
    /// The session was linearized.
    After,
}

impl Phase {
    /// `grown` is what the load has added to the counters, and `whole` what it adds if it is not killed.
    /// A load that is blinded has several sessions. Between two of them is before the next.
    pub fn of(grown: &Stats, whole: &Stats) -> Self {
        let [sessions, insns] = ["sessions", "insns_in"].map(|name| grown.get(name));
        if grown.get("fail_eintr") > 0 {
            Phase::Linearizing
        } else if sessions == 0 {
            Phase::Before
        } else if insns >= whole.get("insns_in") {
            Phase::After
        } else if insns == 0 || sessions == whole.get("sessions") {
            Phase::Recording
        } else {
            Phase::Before
        }
    }

    /// Was a session given up?
    pub fn is_in_session(self) -> bool {
        matches!(self, Phase::Recording | Phase::Linearizing)
    }
}

/// Loads that were interrupted in each phase.
#[derive(Default)]
struct Phases([u32; 4]);

impl Phases {
    fn count(&mut self, phase: Phase) {
        self.0[phase as usize] += 1;
    }

    fn in_phase(&self, phase: Phase) -> u32 {
        self.0[phase as usize]
    }

    fn is_enough(&self) -> bool {
        [Phase::Recording, Phase::Linearizing]
            .iter()
            .all(|&phase| self.in_phase(phase) >= ENOUGH)
    }
}

/// When to kill the next load: moves towards the end of linearize, by smaller steps each time it has
/// gone past it.
struct Timer {
    delay: Duration,
    step: Duration,
    finest: Duration,
    was_later: bool,
}

impl Timer {
    fn new(whole: Duration) -> Self {
        Self {
            delay: whole * FIRST / 100,
            step: whole / COARSEST,
            finest: whole / FINEST,
            was_later: true,
        }
    }

    fn adjust(&mut self, phase: Phase) {
        let later = phase != Phase::After;
        if later != self.was_later {
            self.step = (self.step / 2).max(self.finest);
        }
        self.was_later = later;
        self.delay = match later {
            true => self.delay + self.step,
            false => self.delay.saturating_sub(self.step),
        };
    }
}

fn kill_in_stock(kills: &mut Kills) -> io::Result<()> {
    (0..KILLS_STOCK).try_for_each(|i| kills.kill_after(Victim::Nops, STOCK * i / KILLS_STOCK))
}

/// Kills loads until some were interrupted while edits were recorded, and some in linearize.
fn kill_in_patcher(kills: &mut Kills) -> io::Result<Phases> {
    let before = Stats::read()?;
    let (_, took) = bpf::load(&divisions(DIVISIONS))?;
    let whole = Stats::read()?.since(&before);
    let mut timer = Timer::new(took);
    let mut phases = Phases::default();
    while kills.loads < KILLS && !phases.is_enough() {
        let before = Stats::read()?;
        kills.kill_after(Victim::Divisions, timer.delay)?;
        let phase = Phase::of(&Stats::read()?.since(&before), &whole);
        phases.count(phase);
        timer.adjust(phase);
    }
    Ok(phases)
}

/// Kills loads in every mode. True if each process was gone soon, nothing was left, and in mode patcher
/// sessions were given up in both phases.
pub fn killed(switch: &mut Switch) -> io::Result<bool> {
    let mut good = true;
    for &mode in switch.modes() {
        switch.set(mode)?;
        // What the first one leaves in caches is not to count.
        kill_after(Victim::Nops, Duration::from_millis(100))?;
        let before = available()?;
        let mut kills = Kills::default();
        let (enough, what) = match mode {
            Mode::Patcher | Mode::Verify => {
                let phases = kill_in_patcher(&mut kills)?;
                let what = format!(
                    ", sessions given up: {} recording, {} in linearize",
                    phases.in_phase(Phase::Recording),
                    phases.in_phase(Phase::Linearizing)
                );
                (phases.is_enough(), what)
            }
            Mode::Stock => {
                kill_in_stock(&mut kills)?;
                (kills.killed == kills.loads, String::new())
            }
        };
        let lost = before.saturating_sub(available()?);
        let right = enough && kills.slowest <= PROMPT && lost <= LEAK;
        good &= right;
        out::progress(&format!(
            "killed in mode {mode}: {} of {}, at most {} ms each, {} KiB less memory{what}: {}",
            kills.killed,
            kills.loads,
            kills.slowest.as_millis(),
            lost >> 10,
            verdict(right)
        ));
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_closes_in() {
        let end = Duration::from_millis(837);
        let mut timer = Timer::new(Duration::from_millis(1_000));
        for _ in 0..20 {
            let phase = match timer.delay < end {
                true => Phase::Recording,
                false => Phase::After,
            };
            timer.adjust(phase);
        }
        assert!(timer.delay.abs_diff(end) <= timer.finest);
        assert_eq!(timer.step, timer.finest);
    }
}
