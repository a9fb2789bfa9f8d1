// SPDX-License-Identifier: GPL-2.0

//! A process that is killed while its program is rewritten.

use super::{
    super::engine::harness::*,
    fixture::{
        while_killed,
        Extras,
        Fixture, //
    },
};
use crate::stats::STATS;
use kernel::prelude::*;

#[kunit_tests(bpf_patcher_kill)]
mod tests {
    use super::*;

    #[test]
    fn linearize_gives_up_and_changes_nothing() -> Result {
        let insns = [mov(0), mov(1), exit()];
        let mut fixture = Fixture::of(&insns, &Extras::default())?;
        let result = while_killed(|| fixture.edit_unchecked(|log| prepend(log, 1, &[mov(10)])));
        assert_eq!(result, Err(EINTR));
        assert!(fixture.is(&insns));
        // And does it once the signal is gone.
        fixture.edit(|log| prepend(log, 1, &[mov(10)]))?;
        assert!(fixture.is(&[mov(0), mov(10), mov(1), exit()]));
        Ok(())
    }

    #[test]
    fn killed_program_has_not_moved() -> Result {
        // The program's page has room for a few insns more, or for none; that of aux data always has.
        for len in [500, 503] {
            let mut fixture = Fixture::long(len, &[])?;
            let prog = fixture.prog();
            let result = while_killed(|| {
                fixture.edit_unchecked(|log| {
                    replace(log, 0, &[mov(10)])?;
                    replace(log, 1, &[mov(11); 8])
                })
            });
            assert_eq!(result, Err(EINTR));
            assert_eq!(fixture.prog(), prog);
            assert_eq!(fixture.insns().len(), len);
        }
        Ok(())
    }

    #[test]
    fn mode_verify_gives_up_without_a_difference() -> Result {
        let insns = [mov(0), mov(1), exit()];
        let mut fixture = Fixture::of(&insns, &Extras::default())?;
        let skipped = STATS.verify_skipped.get();
        let result = while_killed(|| fixture.edit(|log| prepend(log, 1, &[mov(10)])));
        // The copy may not be made either.
        assert!(matches!(result, Err(EINTR | ENOMEM)));
        if result == Err(EINTR) {
            assert_eq!(STATS.verify_skipped.get(), skipped + 1);
        }
        assert!(fixture.is(&insns));
        Ok(())
    }
}
