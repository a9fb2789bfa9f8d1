// SPDX-License-Identifier: GPL-2.0

//! Loads in a memory cgroup: what a session allocates is charged to whoever loads the program, and a load
//! that does not fit takes nobody else down.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::kernel::mode::{Mode, Switch};
use crate::out;

const ROOT: &str = "/sys/fs/cgroup";
/// Bytes that groups have, from what is too few for the program alone to what is enough.
const LIMITS: [u64; 6] = [8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20];
/// The load of a victim ends before.
const LATE: Duration = Duration::from_secs(60);

/// Runs a load in a group of `limit` bytes; true if it gave the program.
fn fits(limit: u64) -> io::Result<bool> {
    let group = Path::new(ROOT).join(format!("trust-{limit}"));
    fs::create_dir(&group)?;
    fs::write(group.join("memory.max"), limit.to_string())?;
    // The child moves itself there, and then becomes the victim.
    let status = Command::new("/proc/self/exe")
        .args(["victim", "--program", "divisions"])
        .arg(format!("--after-us={}", LATE.as_micros()))
        .arg(format!("--group={}", group.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    // Whoever was killed is gone in a moment.
    while fs::remove_dir(&group).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(status.success())
}

/// Runs the command; true if a load fits the largest group and not the smallest, and once it fits one it
/// fits the next. In mode patcher: in the others the load takes minutes.
///
/// # Errors
///
/// This kernel has no memory cgroups or no patcher, or what it says.
pub fn run() -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory")?;
    switch.set(Mode::Patcher)?;
    let fit = LIMITS
        .iter()
        .map(|&limit| fits(limit))
        .collect::<io::Result<Vec<_>>>()?;
    let good = !fit[0] && fit[LIMITS.len() - 1] && fit.is_sorted();
    let needs = LIMITS.iter().zip(&fit).find(|(_, fits)| **fits);
    out::json(&json!({ "summary": {
        "command": "groups",
        "good": good,
        "mib": LIMITS.map(|limit| limit >> 20),
        "fits": fit,
        "needs_mib": needs.map(|(limit, _)| limit >> 20),
    }}));
    Ok(good)
}
