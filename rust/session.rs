// SPDX-License-Identifier: GPL-2.0

//! A session: the edits of one rewrite pass over one program.

use super::{
    engine::{
        abi::Insn,
        log::{
            Kind,
            Log, //
        },
        reach::Failure, //
    },
    linearize::linearize,
    stats::{
        elapsed_ns,
        STATS, //
    },
    verify,
    view::View, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// One call in so many that records an edit is timed, and counts for all: to read the clock takes
/// longer than to record an edit.
///
/// A prime, so that the calls in which an array grows, at powers of two, are timed as often as
/// others.
const SAMPLE: u64 = 61;

/// What C knows as `struct bpf_patcher`.
pub(crate) struct Session {
    view: View,
    log: Log,
    /// `BPF_PATCHER_PASS_*`
    pass: u32,
    /// Is linearize to be checked?
    verify: bool,
    /// Calls that recorded an edit, or refused it.
    calls: u64,
    /// Nanoseconds that they took, estimated from samples.
    record_ns: u64,
}

impl Session {
    /// Opens a session on the program of `view`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(
        view: View,
        pass: bindings::bpf_patcher_pass,
        verify: bool,
    ) -> Result<KBox<Self>> {
        let session = Self {
            log: Log::new(view.len()),
            view,
            pass,
            verify,
            calls: 0,
            record_ns: 0,
        };
        Ok(KBox::new(session, GFP_KERNEL_ACCOUNT)?)
    }

    /// Records an edit, as [`Log::record`] does.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ENOMEM`
    pub(crate) fn record(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        self.calls += 1;
        if self.calls % SAMPLE != 0 {
            return self.log.record(idx, kind, patch);
        }
        let start = Instant::<Monotonic>::now();
        let result = self.log.record(idx, kind, patch);
        self.record_ns += elapsed_ns(start) * SAMPLE;
        result
    }

    /// Applies all edits and empties the log.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ERANGE` if a jump no longer fits, which the verifier's log tells; `EINTR` if the
    /// loading process is being killed; `E2BIG` if the program becomes too long. Nothing has
    /// changed then.
    pub(crate) fn linearize(&mut self) -> Result {
        let (view, log) = (&mut self.view, &self.log);
        let result = match self.verify {
            true => verify::checked(self.pass, view, log),
            false => linearize(view, log, 0),
        };
        self.log = Log::new(self.view.len());
        result.map_err(Failure::error)
    }

    /// Returns the program as it is now.
    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.view.prog()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        STATS.sessions.add(1);
        STATS.record_calls.add(self.calls);
        STATS.record_ns.add(self.record_ns);
    }
}
