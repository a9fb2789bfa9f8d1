// SPDX-License-Identifier: GPL-2.0

//! The entry points C calls, and their registration.
//!
//! C header: [`include/linux/bpf_patcher.h`](srctree/include/linux/bpf_patcher.h), which says what
//! each does. Positions are insn indices in the program as it was when the session began.

use super::{
    engine::log::Kind,
    mode::{
        self,
        Mode, //
    },
    pass::Pass,
    session::{
        self,
        Session, //
    },
    stats::STATS,
    view::View, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// Version of the contract that this code is written for: with far jumps, or sessions alone.
/// scripts/lib/paths.sh reads both.
pub(crate) const CONTRACT: u32 = [6, 7][cfg!(CONFIG_BPF_PATCHER_FAR_JUMPS) as usize];
const _: () = assert!(
    bindings::BPF_PATCHER_VERSION == CONTRACT,
    "the kernel's include/linux/bpf_patcher.h has another version of the contract"
);

/// Returns what an edit does, or `EINVAL`.
pub(crate) fn kind(edit: bindings::bpf_edit) -> Result<Kind> {
    match edit {
        bindings::bpf_edit_BPF_EDIT_REPLACE => Ok(Kind::Replace),
        bindings::bpf_edit_BPF_EDIT_REPLACE_TO_BODY => Ok(Kind::ReplaceToBody),
        bindings::bpf_edit_BPF_EDIT_PREPEND => Ok(Kind::Prepend),
        bindings::bpf_edit_BPF_EDIT_PREPEND_SKIPPED => Ok(Kind::PrependSkipped),
        bindings::bpf_edit_BPF_EDIT_REMOVE => Ok(Kind::Remove),
        _ => Err(EINVAL),
    }
}

/// Opens a session on `prog`, or returns null if the kernel is to apply edits one by one (`mode=stock`).
/// `-ENOMEM` as an error pointer.
///
/// # Safety
///
/// `prog` and `env` are as the invariants of [`View`] say until the session ends.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_begin(
    prog: *mut bindings::bpf_prog,
    env: *mut bindings::bpf_verifier_env,
    pass: bindings::bpf_patcher_pass,
) -> *mut bindings::bpf_patcher {
    let mode = mode::current();
    if mode == Mode::Stock {
        return core::ptr::null_mut();
    }
    // SAFETY: As the caller promises.
    let view = unsafe { View::new(prog, env) };
    let session = Session::begin(view, Pass::from_c(pass), mode == Mode::Verify);
    STATS.count_failure(&session);
    match session {
        Ok(session) => into_raw(session),
        Err(error) => error.to_ptr(),
    }
}

/// Gives `session` to C, which gives it back to [`bpf_patcher_end`].
pub(crate) fn into_raw(session: KBox<Session>) -> *mut bindings::bpf_patcher {
    KBox::into_raw(session).cast()
}

/// The session behind `p`.
///
/// # Safety
///
/// `p` is what [`into_raw`] returned, its session has not ended, and no other reference to it is in
/// use during `'a`.
unsafe fn session<'a>(p: *mut bindings::bpf_patcher) -> &'a mut Session {
    // SAFETY: As the caller promises.
    unsafe { &mut *p.cast::<Session>() }
}

/// Counts a failure and turns `result` into what C expects.
fn done(result: Result) -> c_int {
    STATS.count_failure(&result);
    result.map_or_else(Error::to_errno, |()| 0)
}

/// Records an edit of insn `idx`. Returns 0, `-EINVAL` or `-ENOMEM`.
///
/// # Safety
///
/// `p` as for [`session`]; `insns` is valid for reads of `cnt` insns if `edit` brings insns along and the
/// session's program has an insn `idx`. It is not looked at otherwise.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_record(
    p: *mut bindings::bpf_patcher,
    edit: bindings::bpf_edit,
    idx: u32,
    insns: *const bindings::bpf_insn,
    cnt: u32,
) -> c_int {
    // SAFETY: As the caller promises.
    let session = unsafe { session(p) };
    done(match kind(edit) {
        Ok(Kind::Remove) => session.record(|log| log.remove(idx, cnt)),
        // Otherwise nobody looks at the pointer, which may be null then.
        Ok(kind) if cnt > 0 && session.has_insn(idx) => {
            // SAFETY: As the caller promises; the edit is one that brings insns, and the program has the insn.
            let patch = unsafe { core::slice::from_raw_parts(insns, cnt as usize) };
            session.record(|log| log.record(idx, kind, patch))
        }
        _ => Err(EINVAL),
    })
}

/// Jumps that no longer fit 16 bits may be relaxed. Returns whether they will be.
///
/// # Safety
///
/// `p` as for [`session`].
#[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_relax(p: *mut bindings::bpf_patcher) -> bool {
    // SAFETY: As the caller promises.
    unsafe { session(p) }.relax()
}

/// Applies all edits. Returns the program, which may have moved, or an error pointer, and then
/// nothing has changed; see [`Session::linearize`] for the errors.
///
/// # Safety
///
/// `p` as for [`session`].
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_linearize(
    p: *mut bindings::bpf_patcher,
) -> *mut bindings::bpf_prog {
    // SAFETY: As the caller promises.
    let session = unsafe { session(p) };
    let result = session.linearize();
    STATS.count_failure(&result);
    match result {
        Ok(()) => {
            // SAFETY: The load goes on after its last session.
            #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
            unsafe {
                session.judge_blinded()
            };
            session.prog()
        }
        Err(error) => error.to_ptr(),
    }
}

/// Ends a session; what was not linearized is forgotten.
///
/// # Safety
///
/// `p` as for [`session`]; it is not used again.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_end(p: *mut bindings::bpf_patcher) {
    // SAFETY: As the caller promises, this is the box that `into_raw` gave away.
    Session::end(unsafe { KBox::from_raw(p.cast::<Session>()) });
}

/// Watches a load, in mode `verify`: remembers the program of `env` when it is accepted, and judges what all
/// passes have made of it.
///
/// # Safety
///
/// `env` is as the invariants of [`View`] say but for the last event, and no session is open on its program.
/// The events come in order, and nobody else writes `env.watched`.
#[cfg(CONFIG_BPF_PATCHER_DEBUG)]
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_event(
    env: *mut bindings::bpf_verifier_env,
    event: bindings::bpf_patcher_event,
) {
    use super::verify::{
        self,
        load::Accepted, //
    };

    // SAFETY: As the caller promises.
    let watched = unsafe { (*env).watched.cast::<Accepted>() };
    if event == bindings::bpf_patcher_event_BPF_PATCHER_FREED {
        if !watched.is_null() {
            // SAFETY: It came from `KBox::into_raw` below; it is not used again.
            drop(unsafe { KBox::from_raw(watched) });
        }
        return;
    }

    // SAFETY: As the caller promises.
    let mut view = unsafe { View::new((*env).prog, env) };
    if event == bindings::bpf_patcher_event_BPF_PATCHER_REWRITTEN {
        // SAFETY: This is null, or came from `KBox::into_raw` below and was not freed.
        if let Some(accepted) = unsafe { watched.as_ref() } {
            verify::judge(&mut view, accepted);
        }
    } else if mode::current() == Mode::Verify {
        let accepted = verify::accepted(&mut view)
            .and_then(|accepted| KBox::new(accepted, GFP_KERNEL_ACCOUNT).ok());
        if let Some(accepted) = accepted {
            // SAFETY: As the caller promises.
            unsafe { (*env).watched = KBox::into_raw(accepted).cast() };
        }
    }
}

/// For as long as this lives, we are the kernel's patcher.
pub(crate) struct Registration {
    ops: KBox<bindings::bpf_patcher_ops>,
}

// SAFETY: The operations are not changed once they are registered.
unsafe impl Send for Registration {}
// SAFETY: As above.
unsafe impl Sync for Registration {}

impl Registration {
    /// # Errors
    ///
    /// `EPROTO` if the kernel has another version of the contract, `EBUSY` if it has a patcher
    /// already, `ENOMEM`.
    pub(crate) fn new(module: &'static ThisModule) -> Result<Self> {
        // That each is of the type that the kernel's header says is checked here.
        let ops = bindings::bpf_patcher_ops {
            version: CONTRACT,
            owner: module.as_ptr(),
            begin: Some(bpf_patcher_begin),
            record: Some(bpf_patcher_record),
            #[cfg(CONFIG_BPF_PATCHER_FAR_JUMPS)]
            relax: Some(bpf_patcher_relax),
            linearize: Some(bpf_patcher_linearize),
            end: Some(bpf_patcher_end),
            #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
            watch: Some(bpf_patcher_event),
            #[cfg(not(CONFIG_BPF_PATCHER_DEBUG))]
            watch: None,
        };
        let ops = KBox::new(ops, GFP_KERNEL)?;
        // SAFETY: `ops` stays where it is until it is unregistered in `drop`, and a session that
        // is open until then keeps the module, and so this, from going away.
        to_result(unsafe { bindings::bpf_patcher_register(&*ops) })?;
        Ok(Self { ops })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: It was registered in `new`.
        unsafe { bindings::bpf_patcher_unregister(&*self.ops) };
        // A session pins the module, so that all have ended.
        session::drop_spare();
    }
}
