// SPDX-License-Identifier: GPL-2.0

//! Counters since the module was loaded: the read-only parameter `stats`, a `name value` a line. Those
//! of a pass have its name before theirs, and a dot.

use super::pass::Pass;
use core::fmt::Write;
use kernel::{
    ffi::c_int,
    fmt,
    prelude::*,
    str::Formatter,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

macro_rules! counters {
    ($(#[$type_doc:meta])* $type:ident: $($(#[$doc:meta])* $name:ident,)*) => {
        $(#[$type_doc])*
        pub(crate) struct $type {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        impl $type {
            const fn new() -> Self {
                Self { $($name: Counter(Atomic::new(0)),)* }
            }

            /// Calls `f` with the name and a reader of each.
            fn each(f: &mut dyn FnMut(&str, fn(&Self) -> u64) -> fmt::Result) -> fmt::Result {
                $(f(stringify!($name), |stats| stats.$name.get())?;)*
                Ok(())
            }
        }
    };
}

counters! {
    /// Of the sessions of one pass.
    PassStats:
    /// Sessions that have ended. Each had at least one edit to record.
    sessions,
    /// Edits recorded in sessions that were linearized.
    edits,
    /// Insns of the programs before they were linearized.
    insns_in,
    /// Insns of the programs after that.
    insns_out,
    /// Calls that record an edit.
    record_calls,
    /// Nanoseconds spent in those calls, estimated: a session times every 61st of its calls.
    record_ns,
    /// Nanoseconds spent in linearize.
    linearize_ns,
}

counters! {
    /// Of all sessions.
    Stats:
    /// Most bytes a session had allocated at a time: its log, its tables, and what replaces the
    /// program and its aux data.
    alloc_peak,
    /// Linearizes in which a jump would not fit, and that were not refused as jumps were relaxed.
    far_sessions,
    /// Jumps that were relaxed.
    far_jumps,
    /// Most rounds that took: what is put in for one jump may push another out of reach.
    far_rounds_peak,
    /// Calls that failed with `-ENOMEM`.
    fail_enomem,
    /// Linearizes refused as a jump no longer fits.
    fail_erange,
    /// Linearizes given up as the loading process was being killed.
    fail_eintr,
    /// Edits refused as they are not valid.
    fail_einval,
    /// Programs that would have become too long.
    fail_e2big,
    /// Sessions that mode `verify` has compared.
    verify_sessions,
    /// Those of them in which jumps were relaxed.
    verify_far_sessions,
    /// Sessions that it has not compared, as there was no memory or the loading process was being killed.
    verify_skipped,
    /// Those in which the results differed, and faults of loads.
    verify_differences,
    /// Loads that mode `verify` has judged as a whole: one that is blinded, twice.
    verify_loads,
    /// Those of them in which the program was not what the verifier had accepted.
    verify_load_faults,
}

/// The module's counters.
pub(crate) static STATS: Stats = Stats::new();

static PASSES: [PassStats; Pass::COUNT] = [const { PassStats::new() }; Pass::COUNT];

/// Returns the counters of a pass.
pub(crate) fn of_pass(pass: Pass) -> &'static PassStats {
    &PASSES[pass.index()]
}

/// Writes all counters: first sums over all passes, last those of each pass that had sessions.
fn show(f: &mut impl Write) -> fmt::Result {
    let sum = |read: fn(&PassStats) -> u64| PASSES.iter().map(read).fold(0, u64::wrapping_add);
    PassStats::each(&mut |name, read| writeln!(f, "{name} {}", sum(read)))?;
    Stats::each(&mut |name, read| writeln!(f, "{name} {}", read(&STATS)))?;
    for pass in Pass::all().filter(|pass| of_pass(*pass).sessions.get() > 0) {
        let (of, stats) = (pass.name(), of_pass(pass));
        PassStats::each(&mut |name, read| writeln!(f, "{of}.{name} {}", read(stats)))?;
    }
    Ok(())
}

/// Writes all counters to a buffer of `len` bytes, for `params.c`. Returns how many bytes it wrote, or
/// `-E2BIG`.
///
/// # Safety
///
/// `buf` is valid for reads and writes of `len` bytes, and nobody else uses it meanwhile.
#[no_mangle]
unsafe extern "C" fn bpf_patcher_show_stats(buf: *mut u8, len: usize) -> c_int {
    // SAFETY: As the caller promises.
    let mut f = Formatter::new(unsafe { core::slice::from_raw_parts_mut(buf, len) });
    match show(&mut f) {
        // Less than a page.
        Ok(()) => f.bytes_written() as c_int,
        Err(_) => E2BIG.to_errno(),
    }
}

/// Returns the nanoseconds since `start`.
pub(crate) fn elapsed_ns(start: Instant<Monotonic>) -> u64 {
    start.elapsed().as_nanos().max(0) as u64
}

/// A monotonic count.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Raises the counter to `n` if it is less.
    pub(crate) fn raise(&self, n: u64) {
        let mut old = self.get();
        while old < n {
            match self.0.cmpxchg(old, n, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Stats {
    /// Counts `result` if it is a failure.
    pub(crate) fn count_failure<T>(&self, result: &Result<T>) {
        let Err(error) = result else {
            return;
        };
        let counter = match *error {
            ENOMEM => &self.fail_enomem,
            ERANGE => &self.fail_erange,
            EINTR => &self.fail_eintr,
            E2BIG => &self.fail_e2big,
            // The engine has no others.
            _ => &self.fail_einval,
        };
        counter.add(1);
    }
}
