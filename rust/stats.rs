// SPDX-License-Identifier: GPL-2.0

//! Counters since the module was loaded: `bpf_patcher/stats` in debugfs, a `name value` a line.

use kernel::{
    debugfs,
    fmt,
    prelude::*,
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
    ($($(#[$doc:meta])* $name:ident,)*) => {
        pub(crate) struct Stats {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        /// The module's counters.
        pub(crate) static STATS: Stats = Stats {
            $($name: Counter(Atomic::new(0)),)*
        };

        fn show(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
            $(writeln!(f, concat!(stringify!($name), " {}"), STATS.$name.get())?;)*
            Ok(())
        }
    };
}

counters! {
    /// Sessions that have ended. Each had at least one edit to record.
    sessions,
    /// Edits recorded in sessions that were linearized.
    edits,
    /// Insns of the programs before they were linearized.
    insns_in,
    /// Insns of the programs after that.
    insns_out,
    /// Bytes of insns and aux data written by linearize.
    bytes_moved,
    /// Calls that record an edit.
    record_calls,
    /// Nanoseconds spent in those calls, estimated: a session times every 61st of its calls.
    record_ns,
    /// Nanoseconds spent in linearize.
    linearize_ns,
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

/// The debugfs directory, for as long as this lives.
#[pin_data]
pub(crate) struct Debugfs {
    _dir: debugfs::Dir,
    #[pin]
    _stats: debugfs::File<()>,
}

impl Debugfs {
    pub(crate) fn new() -> Result<Pin<KBox<Self>>> {
        let dir = debugfs::Dir::new(c"bpf_patcher");
        KBox::try_pin_init(
            try_pin_init!(Self {
                _stats <- dir.read_callback_file(c"stats", (), &show),
                _dir: dir.clone(),
            }),
            GFP_KERNEL,
        )
    }
}
