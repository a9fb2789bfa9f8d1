// SPDX-License-Identifier: GPL-2.0

//! A session: the edits of one rewrite pass over one program.

use super::{
    engine::{
        abi::{
            Array,
            Insn, //
        },
        log::{
            Kind,
            Log, //
        },
        reach::Failure, //
    },
    linearize::linearize,
    resched::resched,
    spare,
    stats::{
        elapsed_ns,
        STATS, //
    },
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
/// longer than to record an edit. What a reading of the clock takes is taken off.
///
/// A prime, so that the calls in which an array grows, at powers of two, are timed as often as
/// others.
const SAMPLE: u64 = 61;

/// Edits, and insns of patches, that a new session has room for.
const EDITS: usize = 64;
const PATCHES: usize = 256;

/// What C knows as `struct bpf_patcher`.
pub(crate) struct Session {
    view: View,
    log: Log,
    /// Memory for the table of a layout.
    table: Array<u32>,
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
    /// Opens a session on the program of `view`, in the memory of an earlier one if that is there.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn begin(
        view: View,
        pass: bindings::bpf_patcher_pass,
        verify: bool,
    ) -> Result<KBox<Self>> {
        let len = view.len();
        let Some(mut spare) = spare::take() else {
            let mut session = Self {
                view,
                log: Log::new(len),
                table: Array::new(),
                pass,
                verify,
                calls: 0,
                record_ns: 0,
            };
            session.log.reserve(EDITS, PATCHES)?;
            return Ok(KBox::new(session, GFP_KERNEL_ACCOUNT)?);
        };
        spare.view = view;
        spare.log.reset(len);
        spare.pass = pass;
        spare.verify = verify;
        spare.calls = 0;
        spare.record_ns = 0;
        Ok(spare)
    }

    /// Ends a session; what was not linearized is forgotten.
    pub(crate) fn end(mut session: KBox<Self>) {
        session.wipe_secrets();
        STATS.sessions.add(1);
        STATS.record_calls.add(session.calls);
        STATS.record_ns.add(session.record_ns);
        spare::put(session);
        // What comes next is the pass's own time.
        resched();
    }

    /// Returns the bytes of memory that the next session may use.
    pub(crate) fn bytes(&self) -> usize {
        self.log.bytes() + self.table.capacity() * size_of::<u32>()
    }

    /// Has the program an insn `idx`?
    pub(crate) fn has_insn(&self, idx: u32) -> bool {
        idx < self.log.program_len()
    }

    /// Records an edit, as [`Log::record`] does.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ENOMEM`
    // The kind is known where it is called.
    #[inline(always)]
    pub(crate) fn record(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        self.calls += 1;
        match self.calls % SAMPLE {
            0 => self.record_timed(idx, kind, patch),
            _ => self.log.record(idx, kind, patch),
        }
    }

    /// The same, and counts the time for [`SAMPLE`] calls.
    #[cold]
    fn record_timed(&mut self, idx: u32, kind: Kind, patch: &[Insn]) -> Result {
        let start = Instant::<Monotonic>::now();
        let clock_ns = elapsed_ns(start);
        let start = Instant::<Monotonic>::now();
        let result = self.log.record(idx, kind, patch);
        self.record_ns += elapsed_ns(start).saturating_sub(clock_ns) * SAMPLE;
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
        let (view, log, table) = (&mut self.view, &self.log, &mut self.table);
        let result = match self.verify {
            #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
            true => super::verify::checked(self.pass, view, log, table),
            _ => linearize(view, log, table),
        };
        self.wipe_secrets();
        self.log.reset(self.view.len());
        result.map_err(Failure::error)
    }

    /// Judges the program if it was blinded just now, and its load is watched.
    ///
    /// # Safety
    ///
    /// The load does not end meanwhile.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) unsafe fn judge_blinded(&mut self) {
        if self.pass != bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING {
            return;
        }
        // SAFETY: As the caller promises.
        if let Some(accepted) = unsafe { self.view.accepted() } {
            super::verify::judge(&mut self.view, accepted);
        }
    }

    /// Constants of a blinded program are not to be found in memory, where the log stays for the next
    /// session.
    fn wipe_secrets(&mut self) {
        if self.pass == bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING {
            self.log.wipe();
        }
    }

    /// Jumps that no longer fit may be relaxed. Returns whether they will be.
    #[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
    pub(crate) fn relax(&mut self) -> bool {
        self.view.allow_far_jumps();
        self.view.may_relax()
    }

    /// Returns the program as it is now.
    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.view.prog()
    }
}
