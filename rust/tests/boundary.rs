// SPDX-License-Identifier: GPL-2.0

//! What C sees: flags, errors, registration, counters.

use super::{
    differential::fixture::{
        Extras,
        Fixture, //
    },
    engine::harness::*,
};
use crate::{
    entry,
    pass::Pass,
    stats::{
        of_pass,
        STATS, //
    }, //
};
use bindings::{
    bpf_edit_BPF_EDIT_PREPEND as PREPEND,
    bpf_edit_BPF_EDIT_PREPEND_SKIPPED as PREPEND_SKIPPED,
    bpf_edit_BPF_EDIT_REMOVE as REMOVE,
    bpf_edit_BPF_EDIT_REPLACE as REPLACE,
    bpf_edit_BPF_EDIT_REPLACE_TO_BODY as REPLACE_TO_BODY, //
};
use kernel::{
    bindings,
    error::to_result,
    module::this_module,
    prelude::*, //
};

/// More than a byte holds.
const UNKNOWN: u32 = 1 << 8;

#[kunit_tests(bpf_patcher_boundary)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_edit() -> Result {
        let mut fixture = Fixture::of(&[mov(0), mov(1), mov(2), exit()], &Extras::default())?;
        let patch = [mov(10)];
        let insns = patch.as_ptr();
        let p = entry::into_raw(fixture.open(false)?);
        let invalid = STATS.fail_einval.get();
        let null = core::ptr::null();
        // SAFETY: The session is open. Nobody looks at what there are no insns of, or at those of an edit that
        // is none.
        let results = unsafe {
            [
                entry::bpf_patcher_record(p, UNKNOWN, 0, null, 1),
                entry::bpf_patcher_record(p, REMOVE + 1, 0, null, 1),
                entry::bpf_patcher_record(p, REPLACE, 0, null, 0),
                entry::bpf_patcher_record(p, PREPEND, 0, null, 0),
                entry::bpf_patcher_record(p, REMOVE, 0, null, 0),
            ]
        };
        assert_eq!(results, [EINVAL.to_errno(); 5]);
        assert_eq!(STATS.fail_einval.get(), invalid + 5);
        // SAFETY: The session is open, and `insns` is one insn.
        let results = unsafe {
            [
                entry::bpf_patcher_record(p, PREPEND_SKIPPED, 0, insns, 1),
                entry::bpf_patcher_record(p, PREPEND, 0, insns, 1),
                entry::bpf_patcher_record(p, REPLACE_TO_BODY, 0, insns, 1),
                entry::bpf_patcher_record(p, REPLACE, 1, insns, 1),
            ]
        };
        assert_eq!(results, [0; 4]);
        // SAFETY: As above.
        let result = unsafe { entry::bpf_patcher_record(p, REMOVE, 2, null, 1) };
        assert_eq!(result, EINVAL.to_errno());
        // SAFETY: The session is open, and not used any more.
        unsafe { entry::bpf_patcher_end(p) };
        assert!(fixture.is(&[mov(0), mov(1), mov(2), exit()]));
        Ok(())
    }

    #[test]
    fn session_that_is_too_short_to_be_timed() -> Result {
        let mut fixture = Fixture::long(200, &[])?;
        let stats = of_pass(Pass::CTX);
        let count = || (stats.record_calls.get(), stats.record_ns.get());
        let (calls, ns) = count();
        fixture.edit_unchecked(|log| (0..60).try_for_each(|i| replace(log, i, &[mov(1)])))?;
        assert_eq!(count(), (calls + 60, ns));
        // The last one takes a while.
        let mut patch = KVVec::new();
        patch.resize(1 << 18, mov(1), GFP_KERNEL)?;
        fixture.edit_unchecked(|log| {
            (0..60).try_for_each(|i| replace(log, i, &[mov(1)]))?;
            replace(log, 60, &patch)
        })?;
        assert_eq!(count().0, calls + 121);
        assert!(count().1 > ns);
        Ok(())
    }

    #[test]
    fn program_that_loses_all_its_insns() -> Result {
        let mut fixture = Fixture::of(&[mov(0), exit()], &Extras::default())?;
        fixture.edit_unchecked(|log| remove(log, 0, 2))?;
        assert!(fixture.insns().is_empty());
        assert!(fixture.program().verified.is_some_and(|v| v.aux.is_empty()));
        Ok(())
    }

    #[test]
    fn another_version_of_the_contract() {
        let ops = bindings::bpf_patcher_ops {
            version: bindings::BPF_PATCHER_VERSION + 1,
            ..Default::default()
        };
        // SAFETY: The version is looked at first, so that nothing keeps `ops`.
        let result = to_result(unsafe { bindings::bpf_patcher_register(&ops) });
        assert_eq!(result, Err(EPROTO));
    }

    #[test]
    fn a_second_patcher() {
        // A complete one: if the module's own registration has failed, this is it until it is
        // dropped.
        let second = entry::Registration::new(this_module::<crate::Patcher>());
        assert_eq!(second.err(), Some(EBUSY));
    }
}
