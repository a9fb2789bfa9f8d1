// SPDX-License-Identifier: GPL-2.0

//! The pass that a session is for.

use kernel::bindings;

/// `enum bpf_patcher_pass`.
///
/// # Invariants
///
/// It is less than [`Pass::COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) struct Pass(u32);

impl Pass {
    pub(crate) const COUNT: usize = bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CNT as usize;
    #[cfg(CONFIG_BPF_PATCHER_KUNIT_TEST)]
    pub(crate) const CTX: Self = Self(bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CTX);
    /// From it on, programs have addresses of the kernel.
    #[cfg(CONFIG_BPF_PATCHER_DEBUG)]
    pub(crate) const FIXUPS: Self = Self(bindings::bpf_patcher_pass_BPF_PATCHER_PASS_FIXUPS);
    /// It puts secret constants into programs.
    pub(crate) const BLINDING: Self = Self(bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING);

    /// Returns what C knows as `pass`, which is one of its enumeration.
    pub(crate) fn from_c(pass: bindings::bpf_patcher_pass) -> Self {
        // INVARIANT: The last one in place of what is none.
        Self(pass.min(Self::COUNT as u32 - 1))
    }

    /// Returns all passes, in the order of C.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u32).map(Self)
    }

    /// Returns a number less than [`Pass::COUNT`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        // By the type invariant; said once more, so that no bounds are checked.
        (self.0 as usize).min(Self::COUNT - 1)
    }

    /// Returns the name that counters, tracepoint and messages have.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BPF_LOOP => "bpf_loop",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_DEAD_CODE => "dead_code",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_NOPS => "nops",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_CTX => "ctx",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_FIXUPS => "fixups",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_MAY_GOTO => "may_goto",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_ZEXT => "zext",
            bindings::bpf_patcher_pass_BPF_PATCHER_PASS_BLINDING => "blinding",
            _ => "?",
        }
    }
}
