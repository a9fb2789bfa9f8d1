// SPDX-License-Identifier: GPL-2.0

//! What is left in the kernel when all programs are gone.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use crate::out;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak leaves out what is younger than 5 s. Programs are freed a moment after they were closed.
const AGE: Duration = Duration::from_secs(6);

/// What is in the backtrace of objects that no load has left behind: what the kernel keeps from the first
/// program that asks for it, maps that the loader still has, and the boot.
const NO_LEAK: [&str; 3] = [
    "bpf_get_skb_set_tunnel_proto",
    "map_create",
    "comm \"swapper",
];

/// Kinds of memory in /proc/meminfo that a leak of this kernel's own would be in.
const KINDS: [&str; 4] = ["SUnreclaim:", "VmallocUsed:", "Percpu:", "KernelStack:"];

/// Leaks that are shown.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct LeakArgs {
    /// Do not look for leaks, in a kernel that has no kmemleak
    #[arg(long)]
    no_leaks: bool,
}

/// What came of a look for leaks.
pub struct Look {
    /// How many there are; None if nobody has looked.
    pub leaks: Option<usize>,
    /// There are none, or they were not to be looked for.
    pub good: bool,
}

/// Bytes that the kernel uses for itself.
///
/// # Errors
///
/// No procfs.
pub fn used() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        KINDS.contains(&words.next()?).then_some(())?;
        words.next()?.parse::<u64>().ok()
    });
    Ok(kib.sum::<u64>() << 10)
}

/// Has kmemleak look for what nobody refers to; false if this kernel does not have it, or it is off.
fn scan() -> bool {
    sleep(AGE);
    // An object that was on its way from one place to another is found once, and not again.
    (0..2).all(|_| fs::write(KMEMLEAK, "scan").is_ok())
}

/// Forgets what kmemleak finds by now. In User-mode Linux these are hundreds of objects of the boot.
pub fn forget() {
    if scan() {
        // Nothing to be done about a failure at this point.
        let _ = fs::write(KMEMLEAK, "clear");
    }
}

/// What kmemleak finds that BPF has allocated since [`forget`]; None if this kernel does not have it, or
/// it is off.
fn found() -> io::Result<Option<Vec<String>>> {
    if !scan() {
        return Ok(None);
    }
    let text = fs::read_to_string(KMEMLEAK)?;
    let objects = text.split("unreferenced object").skip(1);
    let of_bpf = objects.filter(|object| {
        object.contains("bpf") && !NO_LEAK.iter().any(|known| object.contains(known))
    });
    Ok(Some(of_bpf.map(str::to_owned).collect()))
}

/// Looks for leaks of BPF since [`forget`], and shows the first ones. To find that this kernel has no kmemleak, or
/// that it is off, is not good.
///
/// # Errors
///
/// What the kernel says.
pub fn look() -> io::Result<Look> {
    let leaks = found()?;
    for text in leaks.iter().flatten().take(SHOWN) {
        out::progress(&format!("leak: {text}"));
    }
    let leaks = leaks.map(|leaks| leaks.len());
    Ok(Look {
        leaks,
        good: leaks == Some(0),
    })
}

impl LeakArgs {
    /// [`look`], if leaks are to be looked for.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn look(&self) -> io::Result<Look> {
        match self.no_leaks {
            true => Ok(Look {
                leaks: None,
                good: true,
            }),
            false => look(),
        }
    }
}
