// SPDX-License-Identifier: GPL-2.0

//! A thread switches a branch, and one on each CPU runs the program. A run that began and ended between
//! two switches has to see the state between them, any other run the old or the new one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;
use serde_json::json;

use crate::bpf::insn::{call_rel, exit, mov, nop_or_goto, Insn};
use crate::bpf::{self, static_branch, Spec};
use crate::kernel::cpu;
use crate::out;

/// What the program returns.
const OFF: u32 = 5;
const ON: u32 = 7;
/// The branch is in a function, which has an image of its own.
const BRANCH: u32 = 2;
/// After so many switches the switching thread waits until each CPU has run the program.
const BETWEEN_WAITS: u64 = 32;

fn insns() -> Vec<Insn> {
    vec![
        call_rel(1),
        exit(),
        nop_or_goto(2),
        mov(0, OFF as i32),
        exit(),
        mov(0, ON as i32),
        exit(),
    ]
}

fn result(on: bool) -> u32 {
    if on {
        ON
    } else {
        OFF
    }
}

/// What the threads know of each other.
struct Shared {
    /// Twice the number of switches that are done, plus 1 during one.
    clock: AtomicU64,
    stop: AtomicBool,
    /// For each CPU, the clock of its last run between two switches.
    seen: Vec<AtomicU64>,
    /// Runs between two switches, and during one.
    between: AtomicU64,
    during: AtomicU64,
    wrong: AtomicU64,
}

/// Was the set on at this time, which is between two switches?
fn on_at(clock: u64) -> bool {
    clock / 2 % 2 == 1
}

impl Shared {
    fn judge(&self, before: u64, after: u64, value: u32) {
        let settled = before == after && before.is_multiple_of(2);
        let right = if settled {
            self.between.fetch_add(1, SeqCst);
            value == result(on_at(before))
        } else {
            self.during.fetch_add(1, SeqCst);
            value == OFF || value == ON
        };
        if !right {
            self.wrong.fetch_add(1, SeqCst);
        }
    }

    /// Runs the program once; the time, if the run was between two switches.
    fn run_once(&self, prog: BorrowedFd<'_>) -> io::Result<Option<u64>> {
        let before = self.clock.load(SeqCst);
        let value = bpf::test_run(prog)?;
        let after = self.clock.load(SeqCst);
        self.judge(before, after, value);
        Ok((before == after && before.is_multiple_of(2)).then_some(before))
    }

    fn run_on(&self, cpu: usize, prog: BorrowedFd<'_>) -> io::Result<()> {
        cpu::pin(cpu)?;
        while !self.stop.load(SeqCst) {
            if let Some(clock) = self.run_once(prog)? {
                self.seen[cpu].store(clock, SeqCst);
            }
        }
        Ok(())
    }

    fn switch_often(
        &self,
        prog: BorrowedFd<'_>,
        set: BorrowedFd<'_>,
        switches: u64,
        left_out: Option<u64>,
    ) -> io::Result<()> {
        for n in 1..=switches {
            self.clock.store(2 * n - 1, SeqCst);
            if left_out != Some(n) {
                static_branch::switch(set, n % 2 == 1)?;
            }
            self.clock.store(2 * n, SeqCst);
            self.run_once(prog)?;
            if n.is_multiple_of(BETWEEN_WAITS) || n == switches {
                while self.seen.iter().any(|seen| seen.load(SeqCst) < 2 * n) {
                    if self.stop.load(SeqCst) {
                        return Ok(());
                    }
                    thread::yield_now();
                }
            }
        }
        Ok(())
    }
}

/// How many there were, and true if every run was right. With `plant` a switch is left out, which has to be noticed.
pub fn run(switches: u64, plant: bool) -> io::Result<(bool, u64)> {
    let cpus = thread::available_parallelism()?.get();
    let set = bpf::create_insn_array(&[BRANCH])?;
    let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "switching", insns());
    spec.bound = vec![set.as_raw_fd()];
    let (prog, _) = bpf::load(&spec)?;
    let shared = Shared {
        clock: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        seen: (0..cpus).map(|_| AtomicU64::new(0)).collect(),
        between: AtomicU64::new(0),
        during: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    };
    let start = Instant::now();
    let done = thread::scope(|scope| {
        let runners: Vec<_> = (0..cpus)
            .map(|cpu| {
                let (shared, prog) = (&shared, prog.as_fd());
                scope.spawn(move || {
                    let done = shared.run_on(cpu, prog);
                    // Without this one the switching thread would wait for ever.
                    shared.stop.store(true, SeqCst);
                    done
                })
            })
            .collect();
        let left_out = plant.then_some(switches.div_ceil(2));
        let switched = shared.switch_often(prog.as_fd(), set.as_fd(), switches, left_out);
        shared.stop.store(true, SeqCst);
        let ran = runners.into_iter().map(|runner| {
            runner
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread died")))
        });
        ran.collect::<io::Result<Vec<()>>>().and(switched)
    });
    done?;
    let [switched, between, during, wrong] = [
        &shared.clock,
        &shared.between,
        &shared.during,
        &shared.wrong,
    ]
    .map(|n| n.load(SeqCst));
    out::json(&json!({ "static_branch": {
        "cpus": cpus, "switches": switched / 2, "seconds": start.elapsed().as_secs_f64(),
        "runs_between": between, "runs_during": during, "wrong": wrong,
    }}));
    Ok((wrong == 0 && switched == 2 * switches, switched / 2))
}
