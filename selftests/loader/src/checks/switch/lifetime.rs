// SPDX-License-Identifier: GPL-2.0

//! Programs are loaded, called by a tail call and freed, over and over, while their branches are switched:
//! one set by two threads at once, from before the load until after the program is gone, another one by the
//! thread that loads.
//!
//! For each set, a switch fails before the load, then succeeds, and fails again for good once the program is
//! freed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libbpf_sys::{BPF_FUNC_tail_call, BPF_MAP_TYPE_PROG_ARRAY, BPF_PROG_TYPE_SOCKET_FILTER};
use serde_json::json;

use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, call, exit, ld_map_fd, mov, static_branch as branch, Insn, Op};
use crate::bpf::{self, static_branch, Spec};
use crate::out;

/// What the program returns at least, with these bits for what its two branches lead over.
const BASE: u32 = 4;
const SHARED_BIT: u32 = 1;
const OWN_BIT: u32 = 2;
/// What the caller returns if there is no program to call.
const MISSING: u32 = 99;
/// Insns that are branches: of the set that two threads switch, and of the one of the loading thread.
const SHARED: u32 = 1;
const OWN: u32 = 3;
const SWITCHERS: usize = 2;
/// A program is freed by then.
const PATIENCE: Duration = Duration::from_secs(30);

fn callee() -> Vec<Insn> {
    let or = |bit: u32| alu_imm(W64, Op::Or, 0, bit as i32);
    vec![
        mov(0, BASE as i32),
        branch(false, true, 1),
        or(SHARED_BIT),
        branch(true, false, 1),
        or(OWN_BIT),
        exit(),
    ]
}

fn caller(table: BorrowedFd<'_>) -> Vec<Insn> {
    let [low, high] = ld_map_fd(2, table.as_raw_fd());
    vec![
        low,
        high,
        mov(3, 0),
        call(BPF_FUNC_tail_call),
        mov(0, MISSING as i32),
        exit(),
    ]
}

fn load(insns: Vec<Insn>, sets: &[&OwnedFd]) -> io::Result<OwnedFd> {
    let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "lifetime", insns);
    spec.bound = sets.iter().map(|set| set.as_raw_fd()).collect();
    bpf::load(&spec).map(|(prog, _)| prog)
}

/// Switches a set; false if it has no program.
fn switch(set: BorrowedFd<'_>, on: bool) -> io::Result<bool> {
    match static_branch::switch(set, on) {
        Ok(()) => Ok(true),
        Err(err) if err.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(err) => Err(err),
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The newest set that all threads switch.
    newest: Mutex<Option<Arc<OwnedFd>>>,
    loads: AtomicU64,
    /// Switches that succeeded, and that failed before the load.
    switches: AtomicU64,
    early: AtomicU64,
    /// Sets that a thread switched until their programs were gone.
    lives: AtomicU64,
    /// Runs that reached the program, and that did not.
    reached: AtomicU64,
    missed: AtomicU64,
    wrong: AtomicU64,
}

impl Shared {
    fn newest(&self) -> Option<Arc<OwnedFd>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }

    fn publish(&self, set: &Arc<OwnedFd>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(set.clone());
    }

    fn complain(&self, what: &str) {
        self.wrong.fetch_add(1, SeqCst);
        out::progress(what);
    }

    /// Switches one set after the other, each until its program is freed.
    fn switch_sets(&self) -> io::Result<()> {
        while !self.stop.load(SeqCst) {
            match self.newest() {
                Some(set) => self.switch_until_freed(set.as_fd())?,
                None => thread::yield_now(),
            }
        }
        Ok(())
    }

    fn switch_until_freed(&self, set: BorrowedFd<'_>) -> io::Result<()> {
        let (mut on, mut loaded) = (true, false);
        let start = Instant::now();
        loop {
            if switch(set, on)? {
                loaded = true;
                self.switches.fetch_add(1, SeqCst);
            } else if loaded {
                break;
            } else {
                self.early.fetch_add(1, SeqCst);
                // Its program may have come and gone in between.
                if !self.is_newest(set) {
                    return Ok(());
                }
            }
            if start.elapsed() > PATIENCE {
                self.complain("a program is never freed");
                return Ok(());
            }
            on = !on;
        }
        self.lives.fetch_add(1, SeqCst);
        if switch(set, on)? {
            self.complain("a set has a program after that was freed");
        }
        Ok(())
    }

    fn is_newest(&self, set: BorrowedFd<'_>) -> bool {
        let newest = self.newest();
        !self.stop.load(SeqCst)
            && newest.is_some_and(|newest| newest.as_raw_fd() == set.as_raw_fd())
    }

    /// Calls what is in the table.
    fn run_caller(&self, caller: BorrowedFd<'_>) -> io::Result<()> {
        while !self.stop.load(SeqCst) {
            match bpf::test_run(caller)? {
                MISSING => self.missed.fetch_add(1, SeqCst),
                value if value & !(SHARED_BIT | OWN_BIT) == BASE => {
                    self.reached.fetch_add(1, SeqCst)
                }
                value => {
                    self.complain(&format!("the caller returns {value}"));
                    0
                }
            };
        }
        Ok(())
    }

    /// Runs the program, which has to see its own set like this.
    fn run_own(&self, prog: BorrowedFd<'_>, on: bool) -> io::Result<()> {
        let value = bpf::test_run(prog)?;
        let expected = if on { BASE | OWN_BIT } else { BASE };
        if value & !SHARED_BIT != expected {
            self.complain(&format!("the program returns {value} with its set {on}"));
        }
        Ok(())
    }

    /// One life of a program. With `plant` its own set is not switched on.
    fn live(&self, table: BorrowedFd<'_>, plant: bool) -> io::Result<()> {
        let set = Arc::new(bpf::create_insn_array(&[SHARED])?);
        let own = bpf::create_insn_array(&[OWN])?;
        self.publish(&set);
        if switch(own.as_fd(), true)? {
            self.complain("a set has a program before the load");
        }
        let prog = load(callee(), &[&set, &own])?;
        bpf::put_program(table, 0, prog.as_fd())?;
        for on in [false, true, false] {
            let switched = plant && on || switch(own.as_fd(), on)?;
            if !switched {
                self.complain("a set has no program after the load");
            }
            self.run_own(prog.as_fd(), on)?;
        }
        bpf::remove_program(table, 0)?;
        self.loads.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// How many there were, and true if each run and each switch was as it should be, and there was some of each.
///
/// # Errors
///
/// What the kernel says to anything but a switch that comes too early or too late.
pub fn run(time: Duration, plant: bool) -> io::Result<(bool, u64)> {
    let table = bpf::create_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1)?;
    let caller = load(caller(table.as_fd()), &[])?;
    let shared = Shared::default();
    let start = Instant::now();
    // Without one of them the others would wait for ever.
    let stops = |done: io::Result<()>| {
        shared.stop.store(true, SeqCst);
        done
    };
    thread::scope(|scope| {
        let mut threads: Vec<_> = (0..SWITCHERS)
            .map(|_| scope.spawn(|| stops(shared.switch_sets())))
            .collect();
        threads.push(scope.spawn(|| stops(shared.run_caller(caller.as_fd()))));
        let mut done = Ok(());
        while done.is_ok() && start.elapsed() < time && !shared.stop.load(SeqCst) {
            done = shared.live(table.as_fd(), plant);
        }
        let mut done = stops(done);
        for thread in threads {
            let ended = thread.join();
            done = done.and(ended.unwrap_or_else(|_| Err(io::Error::other("a thread died"))));
        }
        done
    })?;
    let counts = [
        ("loads", &shared.loads),
        ("switches", &shared.switches),
        ("switches_before_the_load", &shared.early),
        ("switched_until_freed", &shared.lives),
        ("runs", &shared.reached),
    ];
    let mut report = json!({
        "seconds": start.elapsed().as_secs_f64(),
        "runs_without_a_program": shared.missed.load(SeqCst), "wrong": shared.wrong.load(SeqCst),
    });
    let mut good = shared.wrong.load(SeqCst) == 0;
    for (name, count) in counts {
        let count = count.load(SeqCst);
        report[name] = count.into();
        good &= count > 0;
    }
    out::json(&json!({ "lifetime": report }));
    Ok((good, shared.loads.load(SeqCst)))
}
