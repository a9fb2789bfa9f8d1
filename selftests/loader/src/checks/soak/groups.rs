// SPDX-License-Identifier: GPL-2.0

//! Loads in a memory cgroup: what a session allocates is charged to whoever loads the program, and a load
//! that does not fit takes nobody else down. In the meantime a bystander in a group of its own, which is
//! small, loads small programs.
//!
//! A load is charged most while the verifier looks at the program. So the charge is read while edits are applied,
//! by a thread that comes first whenever the kernel reschedules there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{json, Value};

use crate::checks::runner::{Runner, Verdict};
use crate::kernel::cpu;
use crate::kernel::lateness::applies_edits;
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;
use crate::kernel::timer;
use crate::out;

const ROOT: &str = "/sys/fs/cgroup";
/// Bytes that groups have, from what is too few for the program alone to what is enough.
const LIMITS: [u64; 6] = [8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20];
/// How often the charge is read.
const PERIOD: Duration = Duration::from_millis(1);
/// The CPU of the load whose charge is read.
const CPU: usize = 0;
/// The load of a victim ends before.
const LATE: Duration = Duration::from_secs(60);
/// Bytes that the bystander's group has.
const SMALL: u64 = 8 << 20;

/// A memory cgroup.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, limit: u64) -> io::Result<Self> {
        let group = Path::new(ROOT).join(name);
        fs::create_dir(&group)?;
        fs::write(group.join("memory.max"), limit.to_string())?;
        Ok(Self(group))
    }

    /// A number of one of its files, of the line that begins with `name`.
    fn number(&self, file: &str, name: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.0.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().parse().ok());
        number.ok_or_else(|| io::Error::other(format!("{file} has no {name}")))
    }

    /// Processes that were killed as it had no memory.
    fn killed(&self) -> io::Result<u64> {
        self.number("memory.events", "oom_kill ")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever was killed is gone in a moment.
        while fs::remove_dir(&self.0).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What came of a load.
struct Load {
    fits: bool,
    /// The process that loads was told that there is no memory.
    refused: bool,
    /// Processes of its group that were killed.
    killed: u64,
    /// Most bytes that were charged to it.
    peak: u64,
    /// Most bytes that were charged to it while its edits were applied.
    in_session: u64,
}

impl Load {
    /// It fits, and nobody was killed; or it does not, and that is why it has failed.
    fn is_clear(&self) -> bool {
        match self.fits {
            true => self.killed == 0,
            false => self.killed == 1 || (self.killed == 0 && self.refused),
        }
    }
}

/// Returns the most that is charged to `group` while edits are applied, until `over`. `stack` is the loading process's.
fn watch(group: &Group, stack: &Path, over: &AtomicBool) -> io::Result<u64> {
    cpu::pin(CPU)?;
    cpu::come_first()?;
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        timer::sleep_until(timer::now() + PERIOD)?;
        // Not while it is gone.
        if fs::read_to_string(stack).is_ok_and(|stack| applies_edits(&stack)) {
            most = most.max(group.number("memory.current", "")?);
        }
    }
    Ok(most)
}

/// Runs a load in a group of `limit` bytes.
fn load(limit: u64) -> io::Result<Load> {
    let group = Group::new(&format!("trust-{limit}"), limit)?;
    cpu::pin(CPU)?;
    // The child moves itself there, and then becomes the victim.
    let child = Command::new("/proc/self/exe")
        .args(["victim", "--program", "divisions"])
        .arg(format!("--after-us={}", LATE.as_micros()))
        .arg(format!("--group={}", group.0.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stack = PathBuf::from(format!("/proc/{}/stack", child.id()));
    let over = AtomicBool::new(false);
    let (output, in_session) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&group, &stack, &over));
        let output = child.wait_with_output();
        over.store(true, Ordering::Relaxed);
        let in_session = watcher.join().expect("the thread does not panic");
        Ok::<_, io::Error>((output?, in_session?))
    })?;
    let no_memory = io::Error::from_raw_os_error(libc::ENOMEM).to_string();
    Ok(Load {
        fits: output.status.success(),
        refused: String::from_utf8_lossy(&output.stdout).contains(&no_memory),
        killed: group.killed()?,
        peak: group.number("memory.peak", "")?,
        in_session,
    })
}

/// Ends a bystander. Returns what it said, if it was still there and all was well.
fn dismiss(mut child: Child) -> io::Result<Option<u64>> {
    drop(child.stdin.take());
    let output = child.wait_with_output()?;
    // Other lines are no results.
    let loads = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("@json ")?).ok())
        .find_map(|said| said["summary"]["loaded"].as_u64());
    Ok(loads.filter(|_| output.status.success()))
}

/// True if a load fits the largest group and not the smallest, once it fits one it fits the
/// next, it is charged for what its session allocates, as the patcher's counter has it, and the bystander does not
/// notice. In mode patcher: in the others the load takes minutes.
///
/// # Errors
///
/// This kernel has no memory cgroups or no patcher, or what it says.
pub fn run(plant: bool) -> io::Result<Verdict> {
    let mut runner = Runner::of_patcher()?;
    fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory")?;
    runner.switch.set(Mode::Patcher)?;
    let beside = Group::new("trust-bystander", SMALL)?;
    let mut child = Command::new("/proc/self/exe")
        .args(["soak", "--until=-", "--only=context"])
        .arg(format!("--group={}", beside.0.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let loads = LIMITS.map(load);
    if plant {
        child.kill()?;
    }
    let bystander = dismiss(child)?;
    let killed_beside = beside.killed()?;
    let loads = loads.into_iter().collect::<io::Result<Vec<_>>>()?;
    let fit: Vec<bool> = loads.iter().map(|load| load.fits).collect();
    let largest = &loads[LIMITS.len() - 1];
    let allocated = Stats::read()?.get("alloc_peak");
    let good = !fit[0]
        && largest.fits
        && fit.is_sorted()
        && loads.iter().all(Load::is_clear)
        && allocated > 0
        && largest.in_session >= allocated
        && bystander.is_some_and(|loads| loads > 0)
        && killed_beside == 0;
    let needs = LIMITS.iter().zip(&fit).find(|(_, fits)| **fits);
    out::json(&json!({ "summary": {
        "command": "groups",
        "good": good,
        "mib": LIMITS.map(|limit| limit >> 20),
        "fits": fit,
        "killed": loads.iter().map(|load| load.killed).collect::<Vec<_>>(),
        "refused": loads.iter().map(|load| load.refused).collect::<Vec<_>>(),
        "needs_mib": needs.map(|(limit, _)| limit >> 20),
        "charged_mib": largest.peak >> 20,
        "in_session_kib": largest.in_session >> 10,
        "allocated_kib": allocated >> 10,
        "bystander_loads": bystander,
        "killed_beside": killed_beside,
    }}));
    let said = format!(
        "a load that becomes a million insns fits a memory cgroup of {} MiB and no smaller one; {} KiB are charged while it is \
         rewritten, of them {} for the session; a bystander loads {} programs meanwhile",
        needs.map_or(0, |(limit, _)| limit >> 20),
        largest.in_session >> 10,
        allocated >> 10,
        bystander.unwrap_or(0)
    );
    Ok(Verdict::new(good, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_fails_has_a_reason() {
        let clear = |fits, refused, killed| {
            Load {
                fits,
                refused,
                killed,
                peak: 0,
                in_session: 0,
            }
            .is_clear()
        };
        assert!(clear(true, false, 0) && clear(false, true, 0) && clear(false, false, 1));
        assert!(!clear(true, false, 1) && !clear(false, false, 0) && !clear(false, false, 2));
    }
}
