// SPDX-License-Identifier: GPL-2.0

//! A read behind the program.

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_PROG_TYPE_SCHED_CLS};

use super::{spec, Defect, Outcome};
use crate::bpf::btf::kernel_function;
use crate::bpf::insn::{call, call_kernel, exit, jmp, mov, Cond};
use crate::kernel::sysctl::has_jit;

/// A program that throws, and ends where its last page does: what is appended for the exception
/// has the kernel look behind the last insn. `None` on a kernel without a JIT or type information.
///
/// An unfixed kernel may go down.
pub fn probe_behind_the_end() -> Option<Defect> {
    /// Bytes of `struct bpf_prog` in front of the insns on a 64-bit kernel, of an insn, of a page.
    const HEAD: usize = 96;
    const INSN: usize = 8;
    const PAGE: usize = 4096;
    let throw = kernel_function(c"bpf_throw").filter(|_| has_jit())?;
    let name = "probe_behind_the_end";
    // Shorter programs are not looked through.
    let len = (i16::MAX as usize + 1..).find(|n| (HEAD + n * INSN).is_multiple_of(PAGE))?;
    let mut insns = vec![
        call(BPF_FUNC_get_prandom_u32),
        jmp(Cond::Ne, 0, 0, 2),
        mov(1, 0),
        call_kernel(throw),
    ];
    insns.resize(len - 1, mov(0, 0));
    insns.push(exit());
    Some(Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_SCHED_CLS, name, insns),
        absent: |_| None,
        right: |outcome| matches!(outcome, Outcome::Loaded { .. }),
    })
}
