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
    session::Session,
    spare,
    stats::STATS,
    verify::{
        self,
        load::Accepted, //
    },
    view::View, //
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// Version of the contract that this code is written for. scripts/lib/paths.sh reads it too.
const CONTRACT: u32 = 5;
const _: () = assert!(
    bindings::BPF_PATCHER_VERSION == CONTRACT,
    "the kernel's include/linux/bpf_patcher.h has another version of the contract"
);

/// Returns what a replacement with these flags is, or `EINVAL`.
pub(crate) fn replacement(flags: u32) -> Result<Kind> {
    const TO_BODY: u32 = bindings::bpf_patcher_flags_BPF_PATCHER_F_TO_BODY;
    match flags {
        0 => Ok(Kind::Replace { to_body: false }),
        TO_BODY => Ok(Kind::Replace { to_body: true }),
        _ => Err(EINVAL),
    }
}

/// Returns what a prepend with these flags is, or `EINVAL`.
pub(crate) fn prepend(flags: u32) -> Result<Kind> {
    const JUMPS_BEHIND: u32 = bindings::bpf_patcher_flags_BPF_PATCHER_F_JUMPS_BEHIND;
    match flags {
        0 => Ok(Kind::Prepend { behind: false }),
        JUMPS_BEHIND => Ok(Kind::Prepend { behind: true }),
        _ => Err(EINVAL),
    }
}

/// Opens a session on `prog`, or returns null if edits are to be applied at once (`mode=stock`).
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
    let session = Session::begin(view, pass, mode == Mode::Verify);
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

/// Records an edit that brings `cnt` insns along. Returns 0, `-EINVAL` or `-ENOMEM`.
///
/// # Safety
///
/// `p` as for [`session`]; `insns` is valid for reads of `cnt` insns if `kind` is no error and the
/// session's program has an insn `idx`. It is not looked at otherwise.
unsafe fn record(
    p: *mut bindings::bpf_patcher,
    kind: Result<Kind>,
    idx: u32,
    insns: *const bindings::bpf_insn,
    cnt: u32,
) -> c_int {
    // SAFETY: As the caller promises.
    let session = unsafe { session(p) };
    let kind = match kind {
        Ok(kind) if session.has_insn(idx) => kind,
        _ => return done(Err(EINVAL)),
    };
    let patch = match cnt {
        // Without a look at the pointer, which may be null then.
        0 => &[][..],
        // SAFETY: As the caller promises; the kind is no error, and the program has the insn.
        _ => unsafe { core::slice::from_raw_parts(insns, cnt as usize) },
    };
    done(session.record(idx, kind, patch))
}

/// Counts a failure and turns `result` into what C expects.
fn done(result: Result) -> c_int {
    STATS.count_failure(&result);
    result.map_or_else(Error::to_errno, |()| 0)
}

/// Insn `idx` becomes `cnt` insns, which are copied; at most one replacement per insn. Returns 0,
/// `-EINVAL` or `-ENOMEM`.
///
/// # Safety
///
/// As for [`record`].
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_replace(
    p: *mut bindings::bpf_patcher,
    idx: u32,
    insns: *const bindings::bpf_insn,
    cnt: u32,
    flags: u32,
) -> c_int {
    // SAFETY: As the caller promises.
    unsafe { record(p, replacement(flags), idx, insns, cnt) }
}

/// Puts `cnt` insns, which are copied, in front of insn `idx`. Returns 0, `-EINVAL` or `-ENOMEM`.
///
/// # Safety
///
/// As for [`record`].
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_prepend(
    p: *mut bindings::bpf_patcher,
    idx: u32,
    insns: *const bindings::bpf_insn,
    cnt: u32,
    flags: u32,
) -> c_int {
    // SAFETY: As the caller promises.
    unsafe { record(p, prepend(flags), idx, insns, cnt) }
}

/// Deletes insns `idx..idx + cnt`. Returns 0, `-EINVAL` or `-ENOMEM`.
///
/// # Safety
///
/// `p` as for [`session`].
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_remove(
    p: *mut bindings::bpf_patcher,
    idx: u32,
    cnt: u32,
) -> c_int {
    // SAFETY: As the caller promises.
    let session = unsafe { session(p) };
    done(session.record(idx, Kind::Remove { cnt }, &[]))
}

/// Returns whether jumps that no longer fit 16 bits will be relaxed, so that an edit may bring a
/// `gotol` along where it needs one.
///
/// # Safety
///
/// `p` as for [`session`].
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_relaxes(p: *mut bindings::bpf_patcher) -> bool {
    // SAFETY: As the caller promises.
    unsafe { session(p) }.relaxes()
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
            // SAFETY: The load goes on behind its last session.
            unsafe { session.judge_blinded() };
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

/// Remembers the program of `env`, which was verified and is about to be rewritten, in mode `verify`. Returns null if
/// the load is not watched.
///
/// # Safety
///
/// `env` is as the invariants of [`View`] say, and no session is open on its program.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_accept(
    env: *mut bindings::bpf_verifier_env,
) -> *mut bindings::bpf_patcher_load {
    if mode::current() != Mode::Verify {
        return core::ptr::null_mut();
    }
    // SAFETY: As the caller promises.
    let mut view = unsafe { View::new((*env).prog, env) };
    verify::accepted(&mut view)
        .and_then(|accepted| KBox::new(accepted, GFP_KERNEL_ACCOUNT).ok())
        .map_or(core::ptr::null_mut(), |accepted| {
            KBox::into_raw(accepted).cast()
        })
}

/// Judges the program of `env`, which all passes have rewritten.
///
/// # Safety
///
/// `load` is what [`bpf_patcher_accept`] returned for this load, and not null; `env` as there.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_judge(
    load: *mut bindings::bpf_patcher_load,
    env: *mut bindings::bpf_verifier_env,
) {
    // SAFETY: As the caller promises.
    let (mut view, accepted) = unsafe { (View::new((*env).prog, env), &*load.cast::<Accepted>()) };
    verify::judge(&mut view, accepted);
}

/// Frees what [`bpf_patcher_accept`] returned.
///
/// # Safety
///
/// `load` is that, and not null; it is not used again.
#[no_mangle]
pub(crate) unsafe extern "C" fn bpf_patcher_forget_load(load: *mut bindings::bpf_patcher_load) {
    // SAFETY: As the caller promises.
    drop(unsafe { KBox::from_raw(load.cast::<Accepted>()) });
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
            replace: Some(bpf_patcher_replace),
            prepend: Some(bpf_patcher_prepend),
            remove: Some(bpf_patcher_remove),
            relaxes: Some(bpf_patcher_relaxes),
            linearize: Some(bpf_patcher_linearize),
            end: Some(bpf_patcher_end),
            accepted: Some(bpf_patcher_accept),
            rewritten: Some(bpf_patcher_judge),
            forget: Some(bpf_patcher_forget_load),
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
        drop(spare::take());
    }
}
