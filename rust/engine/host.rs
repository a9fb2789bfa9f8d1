// SPDX-License-Identifier: GPL-2.0

//! What the engine asks of whoever has the program: the kernel, or a test.

use super::{
    abi::Insn,
    PAUSE_EVERY, //
};

/// Who has the program.
///
/// Positions of insns that are kept outside of the program are asked for one at a time, as another
/// CPU may read them at any time. For a new kind of positions: add a method here, and its rule to
/// [`rewrite`](super::positions::rewrite).
pub(crate) trait Host {
    /// Lets others run. Nobody else may look at the program meanwhile.
    fn pause(&mut self) {}

    /// Is the session to be given up? Asked only before anything has changed.
    fn aborts(&mut self) -> bool {
        false
    }

    /// The jump of old insn `_idx`, or one of its patch, is relaxed.
    fn relaxes(&mut self, _idx: u32) {}

    /// Does `insn` define a 32-bit subregister, which is zero-extended then?
    fn zero_extends(&self, insn: &Insn) -> bool;

    /// Puts what `f` makes of it in place of the position of each poke descriptor.
    fn poke(&mut self, f: &mut dyn FnMut(u32) -> u32);

    /// Puts what `f` makes of it in place of each value of each insn array.
    fn insn_arrays(&mut self, f: &mut dyn FnMut(u32) -> u32);
}

/// Lets others run each [`PAUSE_EVERY`] insns.
pub(super) struct Pauses<'a, H> {
    pub(super) host: &'a mut H,
    /// Insns until then.
    left: usize,
}

impl<'a, H: Host> Pauses<'a, H> {
    pub(super) fn new(host: &'a mut H) -> Self {
        Self {
            host,
            left: PAUSE_EVERY,
        }
    }

    /// `insns` more are done.
    #[inline]
    pub(super) fn count(&mut self, insns: usize) {
        self.left = self.left.saturating_sub(insns);
        if self.left == 0 {
            self.left = PAUSE_EVERY;
            self.host.pause();
        }
    }
}
