// SPDX-License-Identifier: GPL-2.0

//! For how long the kernel does not reschedule while it loads a program: a thread that comes before all others
//! on its CPU sleeps for a moment again and again, and notes how late it wakes up, and where the loading thread
//! was stopped for it.
//!
//! Its timer expires on time, as interrupts are not held up. What makes it late is code of the kernel that has
//! no point of rescheduling and, in a virtual machine, that the host runs something else: that only adds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::cpu;
use super::timer;

/// How long it sleeps: it misses most of what is shorter.
const PERIOD: Duration = Duration::from_millis(1);
/// The CPU that is watched.
const CPU: usize = 0;
/// Bytes of a stack that are looked at.
const STACK: usize = 4_096;

/// In the name of a function that is on the stack while the verifier goes through a program, which has a point
/// of rescheduling for each insn.
const VERIFIES: &str = "do_check";
/// Functions that are there while edits are applied, and when their session ends.
const SESSION: [&str; 2] = ["bpf_rewrite_linearize", "bpf_rewrite_end"];
/// All that is above is the system call's.
const LOADS: &str = "bpf_check";
/// In the names of functions of the scheduler, which the last ones called are of.
const SCHEDULER: [&str; 3] = ["__switch_to", "schedule", "cond_resched"];

/// Does a stack tell that the kernel applies edits, or ends their session?
pub fn applies_edits(stack: &str) -> bool {
    SESSION.iter().any(|name| stack.contains(name))
}

/// The longest time without rescheduling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    pub late: Duration,
    /// Where the kernel rescheduled in the end: functions from the last one called to [`LOADS`].
    pub place: String,
}

impl Longest {
    fn raise(&mut self, late: Duration, stack: &str) {
        if late > self.late {
            self.late = late;
            self.place = place(stack);
        }
    }
}

/// The functions of a stack of the kernel's, which has a line `[<0>] NAME+OFFSET/LENGTH` for each.
fn place(stack: &str) -> String {
    let names = stack
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.split('+').next());
    let of_load = names
        .skip_while(|name| SCHEDULER.iter().any(|of| name.contains(of)))
        .take_while(|name| !name.starts_with(LOADS));
    let of_load: Vec<_> = of_load.collect();
    match of_load.is_empty() {
        true => LOADS.to_owned(),
        false => of_load.join(" "),
    }
}

/// What was noted of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    pub load: Longest,
    /// Since the verifier has gone through the program.
    pub behind: Longest,
    /// Of that, what has ended while edits were applied, or with their session.
    pub session: Longest,
}

impl Noted {
    /// The watching thread was `late`, as the loading one had the CPU, in the end with this stack.
    fn note(&mut self, late: Duration, stack: &str) {
        self.load.raise(late, stack);
        if stack.contains(VERIFIES) {
            self.behind = Longest::default();
        } else {
            self.behind.raise(late, stack);
        }
        if applies_edits(stack) {
            self.session.raise(late, stack);
        }
    }
}

/// What is noted of the thread that called [`watched`].
pub struct Lateness {
    stop: AtomicBool,
    noted: Mutex<Noted>,
    stack: File,
}

impl Lateness {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was noted since the last call.
    pub fn take(&self) -> Noted {
        std::mem::take(&mut self.noted())
    }

    fn watch(&self) -> io::Result<()> {
        cpu::pin(CPU)?;
        cpu::come_first()?;
        let mut stack = [0; STACK];
        while !self.stop.load(Ordering::Relaxed) {
            let due = timer::now() + PERIOD;
            timer::sleep_until(due)?;
            let late = timer::now().saturating_sub(due);
            let len = self.stack.read_at(&mut stack, 0)?;
            let stack = String::from_utf8_lossy(&stack[..len]);
            self.noted().note(late, &stack);
        }
        Ok(())
    }
}

/// Runs `work` on the CPU that is watched.
///
/// # Errors
///
/// Those of `work`, and what the kernel says.
pub fn watched<T>(work: impl FnOnce(&Lateness) -> io::Result<T>) -> io::Result<T> {
    cpu::pin(CPU)?;
    let lateness = Lateness {
        stop: AtomicBool::new(false),
        noted: Mutex::default(),
        stack: File::open("/proc/thread-self/stack")?,
    };
    thread::scope(|scope| {
        let watcher = scope.spawn(|| lateness.watch());
        let done = work(&lateness);
        lateness.stop.store(true, Ordering::Relaxed);
        watcher.join().expect("the thread does not panic")?;
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str]) -> String {
        let line = |name: &&str| format!("[<0>] {name}+0x12/0x34\n");
        names.iter().map(line).collect()
    }

    #[test]
    fn the_longest_of_each_kind() {
        let scheduler = ["__switch_to", "__schedule", "__cond_resched"];
        let ms = Duration::from_millis;
        let mut noted = Noted::default();
        for (late, at) in [
            (5, &["vfree", "before"][..]),
            (9, &["do_check_common"]),
            (3, &["resched", "bpf_rewrite_linearize", "end_pass"]),
            (1, &["bpf_rewrite_end"]),
            (4, &[]),
        ] {
            let names = [&scheduler, at, &["bpf_check", "sys_bpf"]].concat();
            noted.note(ms(late), &stack(&names));
        }
        let longest = |late, place: &str| Longest {
            late: ms(late),
            place: place.to_owned(),
        };
        assert_eq!(noted.load, longest(9, "do_check_common"));
        assert_eq!(noted.behind, longest(4, "bpf_check"));
        let linearize = "resched bpf_rewrite_linearize end_pass";
        assert_eq!(noted.session, longest(3, linearize));
    }
}
