// SPDX-License-Identifier: GPL-2.0

//! A process that is killed while the kernel rewrites its program. It kills itself by a timer, which it starts just
//! before it loads the program: the signal is then pending at that moment, whatever the kernel does. The counters
//! tell where the load was interrupted.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;

use crate::bpf;
use crate::checks::runner::Verdict;
use crate::kernel::stats::Stats;
use crate::kernel::timer;
use crate::programs::victims::Victim;

#[derive(Args)]
pub struct VictimArgs {
    #[arg(long)]
    program: Victim,
    /// Microseconds from the start of the load until the process is killed
    #[arg(long)]
    after_us: u64,
    /// Directory of the cgroup to load it in
    #[arg(long)]
    group: Option<PathBuf>,
}

/// Loads a program, and is killed by a timer.
///
/// # Errors
///
/// What the kernel says.
pub fn run(args: &VictimArgs) -> io::Result<Verdict> {
    if let Some(group) = &args.group {
        // This process.
        fs::write(group.join("cgroup.procs"), "0")?;
    }
    let spec = args.program.spec()?;
    println!("{}", timer::now().as_nanos());
    // Nothing handles SIGALRM, so it is as fatal as SIGKILL.
    timer::start(Duration::from_micros(args.after_us))?;
    bpf::load(&spec).map(|_| Verdict::new(true, "loaded"))
}

/// Runs a victim. Returns whether the timer has killed it, and how long it took to be gone then.
///
/// # Errors
///
/// The process cannot be started, dies before it says when its timer began, or ends in another way: its program
/// was refused.
pub fn kill_after(program: Victim, delay: Duration) -> io::Result<(bool, Duration)> {
    let _hardened = program.hardened()?;
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
