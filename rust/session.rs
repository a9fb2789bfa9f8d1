// SPDX-License-Identifier: GPL-2.0

//! A session: the edits of one rewrite pass over one program.

use super::{
    engine::{
        log::Log,
        reach::Failure, //
    },
    linearize::linearize,
    pass::Pass,
    resched::resched,
    spare::Spare,
    stats::{
        elapsed_ns,
        of_pass, //
    },
    trace,
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

/// Times every 61st call and multiplies by 61: reading the clock costs more than recording. The cost
/// of a reading is subtracted.
///
/// A prime, so that the calls in which an array grows, at powers of two, are timed as often as
/// others.
const SAMPLE: u64 = 61;

/// Edits, and insns of patches, that a new session has room for.
const EDITS: usize = 64;
const PATCHES: usize = 256;

/// Most memory that a session may leave to the next, in bytes: for a thousand edits or so.
const KEPT: usize = 64 << 10;

/// A session that has ended, for the next one to begin in.
static SPARE: Spare<Session> = Spare::new();

/// Frees it, as no session will begin any more.
pub(crate) fn drop_spare() {
    drop(SPARE.take());
}

/// What C knows as `struct bpf_patcher`.
pub(crate) struct Session {
    view: View,
    log: Log,
    pass: Pass,
    /// Is linearize to be checked?
    verify: bool,
    /// Calls that recorded an edit, or refused it.
    calls: u64,
    /// Nanoseconds that they took, estimated from samples.
    record_ns: u64,
}

// SAFETY: A session that another task takes out of `SPARE` begins with a view of its own: the pointers
// of the one that it has are not used any more. All else is `Send`.
unsafe impl Send for Session {}

impl Session {
    /// Opens a session on the program of `view`, in the memory of an earlier one if that is there.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn begin(view: View, pass: Pass, verify: bool) -> Result<KBox<Self>> {
        let len = view.len();
        let Some(mut spare) = SPARE.take() else {
            let mut session = Self {
                view,
                log: Log::new(len),
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
        let stats = of_pass(session.pass);
        stats.sessions.add(1);
        stats.record_calls.add(session.calls);
        stats.record_ns.add(session.record_ns);
        if session.log.bytes() + session.log.table_bytes() <= KEPT {
            SPARE.put(session);
        }
        // What comes next is the pass's own time.
        resched();
    }

    /// Has the program an insn `idx`?
    pub(crate) fn has_insn(&self, idx: u32) -> bool {
        idx < self.log.program_len()
    }

    /// Has `record` record an edit.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ENOMEM`
    #[inline(always)]
    pub(crate) fn record(&mut self, record: impl FnOnce(&mut Log) -> Result) -> Result {
        self.calls += 1;
        match self.calls % SAMPLE {
            0 => self.record_timed(record),
            _ => record(&mut self.log),
        }
    }

    /// The same, and counts the time for [`SAMPLE`] calls.
    #[cold]
    fn record_timed(&mut self, record: impl FnOnce(&mut Log) -> Result) -> Result {
        let start = Instant::<Monotonic>::now();
        let clock_ns = elapsed_ns(start);
        let start = Instant::<Monotonic>::now();
        let result = record(&mut self.log);
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
        let (view, log) = (&mut self.view, &self.log);
        let (edits, old_len) = (log.edits().len() as u32, view.len());
        let start = Instant::<Monotonic>::now();
        let result = match self.verify {
            #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
            true => super::verify::checked(self.pass, view, log),
            _ => linearize(view, log),
        };
        let result = result.map_err(Failure::error);
        let (new_len, linearize_ns) = (view.len(), elapsed_ns(start));
        let stats = of_pass(self.pass);
        // What mode verify takes is no measure of anything.
        if !self.verify {
            stats.linearize_ns.add(linearize_ns);
        }
        if result.is_ok() {
            stats.edits.add(edits.into());
            stats.insns_in.add(old_len.into());
            stats.insns_out.add(new_len.into());
        }
        trace::session(&trace::Session {
            prog: view.name_ptr(),
            pass: self.pass.index() as u32,
            edits,
            old_len,
            new_len,
            record_ns: self.record_ns,
            linearize_ns,
            result: result.err().map_or(0, Error::to_errno),
        });
        self.wipe_secrets();
        self.log.reset(new_len);
        result
    }

    /// Judges the program if it was blinded just now, and its load is watched.
    ///
    /// # Safety
    ///
    /// The load does not end meanwhile.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) unsafe fn judge_blinded(&mut self) {
        if self.pass != Pass::BLINDING {
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
        if self.pass == Pass::BLINDING {
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
