// SPDX-License-Identifier: GPL-2.0

//! A program that ends where its last page ends, and whose last insn is patched: `bpf_throw()`
//! without a callback has its handler put behind it.

use std::io;

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_PROG_TYPE_SCHED_CLS};

use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::insn::{call, call_kernel, exit, jmp, mov, Cond, INSN_SIZE};
use crate::bpf::Spec;
use crate::kernel::jit;
use crate::kernel::vmlinux::Vmlinux;

/// Whether all jumps still fit is probed in programs of more insns than this.
const PROBED: usize = i16::MAX as usize;

fn page_size() -> io::Result<usize> {
    // SAFETY: takes a number, no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).map_err(|_| io::Error::last_os_error())
}

/// The length of the shortest program that is probed and ends where a page ends; None if there is
/// none, as `header`, the size of `struct bpf_prog` in bytes, is no multiple of an insn's.
fn length(header: usize, page: usize) -> Option<usize> {
    let mut lengths = PROBED + 1..=PROBED + page;
    lengths.find(|n| (header + n * INSN_SIZE).is_multiple_of(page))
}

pub fn look() -> io::Result<Finding> {
    let Some(_jit) = jit::on()? else {
        return Finding::not_here("this kernel has no JIT");
    };
    let vmlinux = match Vmlinux::load() {
        Ok(vmlinux) => vmlinux,
        Err(err) => return Finding::not_here(&format!("no type information of vmlinux: {err}")),
    };
    let (Some(throw), Some(header)) = (vmlinux.function("bpf_throw"), vmlinux.size("bpf_prog"))
    else {
        return Finding::not_here("vmlinux has no bpf_throw");
    };
    let Some(n) = length(header, page_size()?) else {
        return Finding::not_here("no program ends where a page ends");
    };
    let mut insns = vec![
        call(BPF_FUNC_get_prandom_u32),
        jmp(Cond::Ne, 0, 0, 2),
        mov(1, 0),
        call_kernel(throw),
    ];
    insns.resize(n - 1, mov(0, 0));
    insns.push(exit());
    let outcome = load(&Spec::new(BPF_PROG_TYPE_SCHED_CLS, "probe_end", insns))?;
    let verdict = match &outcome {
        // With the handler behind it.
        Outcome::Loaded(Loaded { insns, .. }) if insns.len() > n => Verdict::Right,
        // What is behind the program was taken for a jump.
        Outcome::Refused(_, reason) if reason.contains("due to 16-bit range") => Verdict::Shows,
        Outcome::Loaded(_) | Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_where_a_page_ends() {
        assert_eq!(length(96, 4096), Some(33_268));
        assert_eq!(length(92, 4096), None);
    }
}
