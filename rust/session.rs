// SPDX-License-Identifier: GPL-2.0

//! A session: one rewrite pass over one program.

use super::{
    abi,
    engine,
    jumps,
    layout::Layout,
    log::{
        Kind,
        Log, //
    },
    stats::{
        elapsed_ns,
        STATS, //
    },
    track,
    verify,
    view::Target, //
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

/// C knows it as `struct bpf_patcher`, which it begins with.
#[repr(C)]
pub(crate) struct Session {
    head: bindings::bpf_patcher,
    target: Target,
    pub(crate) log: Log,
    opened: Instant<Monotonic>,
    /// `BPF_PATCHER_PASS_*`
    pass: u32,
    /// Is linearize to be checked?
    verify: bool,
}

/// Why edits were not applied.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// For `ERANGE`, the insn whose patch is the first that makes a jump too far.
    pub(crate) insn: Option<u32>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, insn: None }
    }
}

impl Session {
    /// # Errors
    ///
    /// `ENOMEM`
    pub(crate) fn new(target: Target, pass: u32, verify: bool) -> Result<KBox<Self>> {
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
                pass,
                verify,
            },
            GFP_KERNEL_ACCOUNT,
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

        let (target, log) = (&mut self.target, &mut self.log);
        let result = match self.verify {
            true => verify::checked(self.pass, target, log),
            false => apply(target, log, 0),
        };
        self.log = Log::new(self.target.len());
        result.map_err(|failure| failure.error)
    }

    /// The program as it is now.
    pub(crate) fn prog(&self) -> *mut bindings::bpf_prog {
        self.target.prog()
    }
}

/// Applies the edits of `log` to `target`, and makes room for `room` insns at least.
///
/// # Errors
///
/// As for [`Session::linearize`].
pub(crate) fn apply(target: &mut Target, log: &mut Log, room: u32) -> Result<(), Failure> {
    let start = Instant::now();
    let result = change(target, log, room);
    STATS.linearize_ns.add(elapsed_ns(start));
    result
}

/// Would `apply` refuse the edits? Nothing changes.
pub(crate) fn check(target: &Target, log: &mut Log) -> Result<(), Failure> {
    log.sort()?;
    plan(target, log).map(|_| ())
}

/// Where each insn goes, if all of `log`, which is sorted, can be done.
fn plan<'a>(target: &Target, log: &'a Log) -> Result<Layout<'a>, Failure> {
    let layout = Layout::new(log)?;
    if let Err(too_far) = jumps::check(target.insns(), &layout, log) {
        target.report_range(too_far.idx);
        return Err(Failure {
            error: ERANGE,
            insn: Some(too_far.idx),
        });
    }
    if target.may_abort() && abi::must_abort() {
        return Err(EINTR.into());
    }
    Ok(layout)
}

fn change(target: &mut Target, log: &mut Log, room: u32) -> Result<(), Failure> {
    log.sort()?;
    let layout = plan(target, log)?;

    // Allocate. What comes first is no change yet if the rest fails. The program comes last, as it
    // may move, which the caller learns of only if all goes well.
    let mut new_aux = target.alloc_aux(&layout, log.subprog_refs())?;
    let allocated = log.bytes()
        + layout.bytes()
        + new_aux.bytes()
        + target.reserve(layout.new_len().max(room))?;

    // Change: nothing fails from here on.
    for edit in log.edits().iter().filter(|e| e.kind == Kind::Remove) {
        target.clear_aux(edit.idx, edit.cnt);
    }
    let zero_extends = target.zero_extends();
    let program = target.program(layout.new_len(), &mut new_aux);
    let outcome = engine::apply(program, &layout, log, &zero_extends);
    target.for_each_insn_array(|_, values| track::insn_array(values, &layout));

    STATS.edits.add(log.edits().len() as u64);
    STATS.insns_in.add(layout.old_len().into());
    STATS.insns_out.add(layout.new_len().into());
    STATS.bytes_moved.add(outcome.bytes_moved);
    STATS.alloc_peak.raise(allocated as u64);

    let new_len = layout.new_len();
    target.commit(new_len, &outcome, new_aux);
    Ok(())
}
