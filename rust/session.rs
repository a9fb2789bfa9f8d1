// SPDX-License-Identifier: GPL-2.0

//! A session: one rewrite pass over one program.

use super::{
    abi,
    engine,
    jumps,
    layout::Layout,
    log::Log,
    stats::{
        elapsed_ns,
        STATS, //
    },
    track,
    view::Target, //
};
use kernel::{
    bindings,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// C knows it as `struct bpf_patcher`, which it begins with.
#[repr(C)]
pub(crate) struct Session {
    head: bindings::bpf_patcher,
    target: Target,
    pub(crate) log: Log,
    opened: Instant<Monotonic>,
}

impl Session {
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(target: Target) -> Result<KBox<Self>> {
        STATS.sessions.add(1);
        let log = Log::new(target.len());
        Ok(KBox::new(
            Self {
                head: bindings::bpf_patcher {
                    ops: core::ptr::null(),
                },
                target,
                log,
                opened: Instant::now(),
            },
            GFP_KERNEL,
        )?)
    }

    /// Applies all edits and empties the log.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ERANGE` if a jump no longer fits, which the verifier's log tells; `EINTR` if the
    /// loading process is being killed; `E2BIG` if the program becomes too long; `EINVAL` if edits
    /// overlap. Nothing has changed then.
    pub(crate) fn linearize(&mut self) -> Result {
        STATS.walk_ns.add(elapsed_ns(self.opened));
        if self.log.edits().is_empty() {
            STATS.sessions_empty.add(1);
            return Ok(());
        }

        let start = Instant::now();
        let result = self.apply();
        STATS.linearize_ns.add(elapsed_ns(start));
        result
    }

    fn apply(&mut self) -> Result {
        self.log.sort()?;
        let layout = Layout::new(&self.log)?;

        if let Err(too_far) = jumps::check(self.target.insns(), &layout, &self.log) {
            self.target.report_range(too_far.idx);
            return Err(ERANGE);
        }
        if self.target.may_abort() && abi::must_abort() {
            return Err(EINTR);
        }

        // Allocate: what comes first is no change yet if the rest fails.
        let mut new_aux = self.target.alloc_aux(&layout, self.log.subprog_refs())?;
        let allocated = self.log.bytes()
            + layout.bytes()
            + new_aux.bytes()
            + self.target.reserve(layout.new_len())?;

        // Change: nothing fails from here on.
        for edit in self
            .log
            .edits()
            .iter()
            .filter(|e| e.kind == super::log::Kind::Remove)
        {
            self.target.clear_aux(edit.idx, edit.cnt);
        }
        let zero_extends = self.target.zero_extends();
        let program = self.target.program(layout.new_len(), &mut new_aux);
        let outcome = engine::apply(program, &layout, &self.log, &zero_extends);
        self.target
            .for_each_insn_array(|values| track::insn_array(values, &layout));

        STATS.edits.add(self.log.edits().len() as u64);
        STATS.insns_in.add(layout.old_len().into());
        STATS.insns_out.add(layout.new_len().into());
        STATS.bytes_moved.add(outcome.bytes_moved);
        STATS.alloc_peak.raise(allocated as u64);

        let new_len = layout.new_len();
        self.target.commit(new_len, &outcome, new_aux);
        self.log = Log::new(new_len);
        Ok(())
    }

    /// The program as it is now.
    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.target.prog()
    }
}
