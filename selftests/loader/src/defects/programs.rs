// SPDX-License-Identifier: GPL-2.0

//! The programs, one function for each defect.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use libbpf_sys::{
    bpf_map_freeze, bpf_map_update_elem, btf__find_by_name_kind, btf__free, btf__load_vmlinux_btf,
    BPF_FUNC_get_prandom_u32, BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_SCHED_CLS,
    BPF_PROG_TYPE_SOCKET_FILTER,
};

use super::{Defect, Outcome};
use crate::bpf::{create_map, Spec};
use crate::btf::Btf;
use crate::insn::Size::{DW, W};
use crate::insn::Width::W64;
use crate::insn::{
    alu_imm, call, call_kernel, call_rel, exit, gotox, ja, jmp, jmp_reg, ld_map_value, ldx,
    may_goto, mov, mov_reg, Cond, Insn, Op, CALL_CODE, GOTOX, NOSPEC, PSEUDO_CALL,
};
use crate::skb::{LEN, PROTOCOL};

/// What bpf(2) says when there is neither a JIT that can nor an interpreter: `ENOTSUPP` of the
/// kernel's `linux/errno.h`, which is not among the C library's.
const ENOTSUPP: i32 = 524;
/// `BPF_MAP_TYPE_INSN_ARRAY`, and the size of its values in bytes.
const INSN_ARRAY: u32 = 34;
const INSN_ARRAY_VALUE: u32 = 16;
const BTF_KIND_FUNC: u32 = 12;
const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

fn spec(kind: u32, name: &str, insns: Vec<Insn>) -> Spec {
    Spec {
        name: name.to_owned(),
        kind,
        insns,
        ..Spec::default()
    }
}

/// Has this kernel a JIT?
pub fn has_jit() -> bool {
    Path::new("/proc/sys/net/core/bpf_jit_enable").exists()
}

/// The insn that the first backward jump with `code` leads to.
fn target_of(insns: &[Insn], code: u8) -> Option<Insn> {
    let from = insns
        .iter()
        .position(|insn| insn.code == code && insn.off < 0)?;
    let to = from as i64 + 1 + i64::from(insns[from].off);
    insns.get(usize::try_from(to).ok()?).copied()
}

/// A backward call, the first insn of a subprogram in front of which slots for may_goto are put.
pub fn backward_call() -> Defect {
    let name = "backward_call";
    Defect {
        name,
        returns: Some(8),
        spec: spec(
            BPF_PROG_TYPE_SCHED_CLS,
            name,
            vec![
                call_rel(3),
                exit(),
                // The callee.
                mov(0, 7),
                exit(),
                // Calls it.
                call_rel(-3),
                may_goto(1),
                alu_imm(W64, Op::Add, 0, 1),
                exit(),
            ],
        ),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => callee_of(insns) == Some(mov(0, 7)),
            Outcome::Refused(..) => false,
        },
    }
}

/// The insn that the first backward call leads to.
fn callee_of(insns: &[Insn]) -> Option<Insn> {
    // The kernel reports the distance in `off` when it has used `imm` for something else.
    let distance = |insn: &Insn| match insn.off {
        0 => insn.imm,
        off => off.into(),
    };
    let is_call = |insn: &Insn| insn.code == CALL_CODE && insn.src() == PSEUDO_CALL;
    let from = insns
        .iter()
        .position(|insn| is_call(insn) && distance(insn) < 0)?;
    let to = from as i64 + 1 + i64::from(distance(&insns[from]));
    insns.get(usize::try_from(to).ok()?).copied()
}

/// A backward jump that is unsafe under speculation, so that a barrier is put in front of it.
pub fn backward_jump_behind_barrier() -> Defect {
    let name = "backward_jump_behind_barrier";
    let compare = jmp_reg(Cond::Gt, 3, 4, -10);
    let mut spec = spec(
        BPF_PROG_TYPE_SOCKET_FILTER,
        name,
        vec![
            mov(0, 0),
            ldx(W, 4, 1, LEN),
            ja(3),
            mov(0, 1),
            alu_imm(W64, Op::Add, 0, 4),
            exit(),
            ldx(W, 3, 1, PROTOCOL),
            mov_reg(5, 4),
            alu_imm(W64, Op::And, 5, 1),
            // Never, but for a mispredicted moment.
            jmp(Cond::Gt, 5, 5, 1),
            ja(1),
            mov_reg(3, 1),
            compare,
            mov(0, 2),
            exit(),
        ],
    );
    spec.unprivileged = true;
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Loaded { insns, .. } if !insns.iter().any(|insn| insn.code == NOSPEC) => {
                Some("the processor needs no barriers")
            }
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => {
                let code = jmp_reg(Cond::Gt, 3, 4, 0).code;
                target_of(insns, code) == Some(mov(0, 1))
            }
            Outcome::Refused(..) => false,
        },
    }
}

/// A may_goto over as much as 16 bits tell; the jump that replaces it goes further.
pub fn far_may_goto() -> Defect {
    let name = "far_may_goto";
    let mut insns = vec![may_goto(i16::MAX)];
    insns.extend([mov(0, 1); i16::MAX as usize]);
    insns.extend([mov(0, 0), exit()]);
    Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_SCHED_CLS, name, insns),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { .. } => false,
            Outcome::Refused(_, reason) => reason.contains("cannot be patched due to 16-bit range"),
        },
    }
}

/// Constants, which are blinded, and a line for each insn. To be loaded where the JIT gives up.
pub fn blinding_rollback(btf: &Btf) -> Defect {
    let name = "blinding_rollback";
    let insns = vec![mov(0, 1), alu_imm(W64, Op::Add, 0, 2), mov(1, 3), exit()];
    let mut spec = spec(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(&[(0, false)]);
    spec.line_info = btf.line_info(&spec.insns, Some);
    spec.unprivileged = true;
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Refused(ENOTSUPP, _) => Some("there is no interpreter to take over"),
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, lines, .. } => insns.len() == 4 && *lines == [0, 1, 2, 3],
            Outcome::Refused(..) => false,
        },
    }
}

/// Two functions with constants and a line for each insn. To be blinded and then not JITed, which
/// takes an allocation that fails.
pub fn blinding_rollback_of_functions(btf: &Btf) -> Defect {
    let name = "blinding_rollback_of_functions";
    let insns = vec![
        call_rel(2),
        alu_imm(W64, Op::Add, 0, 2),
        exit(),
        mov(0, 1),
        alu_imm(W64, Op::Add, 0, 3),
        exit(),
    ];
    let mut spec = spec(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(&[(0, false), (3, false)]);
    spec.line_info = btf.line_info(&spec.insns, Some);
    Defect {
        name,
        returns: None,
        spec,
        absent: |outcome| match outcome {
            Outcome::Refused(ENOTSUPP, _) => Some("there is no interpreter to take over"),
            _ => None,
        },
        right: |outcome| match outcome {
            Outcome::Loaded { insns, lines, .. } => {
                insns.len() == 6 && *lines == [0, 1, 2, 3, 4, 5]
            }
            Outcome::Refused(..) => false,
        },
    }
}

/// An insn array of one value, insn `idx`, as the verifier takes it.
fn insn_array(idx: u32) -> io::Result<OwnedFd> {
    let map = create_map(INSN_ARRAY, 4, INSN_ARRAY_VALUE, 1)?;
    let key = 0u32;
    let value = [idx, 0, 0, 0];
    // SAFETY: Key and value have the sizes that the map was created with.
    let err = unsafe {
        bpf_map_update_elem(
            map.as_raw_fd(),
            (&raw const key).cast(),
            (&raw const value).cast(),
            0,
        )
    };
    if err != 0 {
        return Err(io::Error::from_raw_os_error(-err));
    }
    // SAFETY: The function takes a descriptor.
    match unsafe { bpf_map_freeze(map.as_raw_fd()) } {
        0 => Ok(map),
        err => Err(io::Error::from_raw_os_error(-err)),
    }
}

/// An indirect jump in front of a subprogram that gets slots for may_goto. Returns the map that it
/// needs, too; `None` on a kernel without a JIT, which has no such jumps.
pub fn gotox_off() -> io::Result<Option<(Defect, OwnedFd)>> {
    if !has_jit() {
        return Ok(None);
    }
    let name = "gotox_off";
    let map = insn_array(7)?;
    let [low, high] = ld_map_value(1, map.as_raw_fd(), 0);
    let insns = vec![
        call_rel(2),
        call_rel(8),
        exit(),
        low,
        high,
        ldx(DW, 1, 1, 0),
        ja(2),
        mov(0, 0),
        exit(),
        gotox(1),
        mov(0, 0),
        may_goto(1),
        alu_imm(W64, Op::Add, 0, 1),
        exit(),
    ];
    let defect = Defect {
        name,
        returns: None,
        spec: spec(BPF_PROG_TYPE_RAW_TRACEPOINT, name, insns),
        absent: |_| None,
        right: |outcome| match outcome {
            Outcome::Loaded { insns, .. } => {
                let mut jumps = insns.iter().filter(|insn| insn.code == GOTOX);
                jumps.next().is_some_and(|insn| insn.off == 0) && jumps.next().is_none()
            }
            Outcome::Refused(..) => false,
        },
    };
    Ok(Some((defect, map)))
}

/// The number of the kernel function `name`, if this kernel tells.
fn kernel_function(name: &std::ffi::CStr) -> Option<i32> {
    if fs::metadata(VMLINUX_BTF).is_err() {
        return None;
    }
    // SAFETY: The function takes nothing; what it returns is freed below.
    let btf = unsafe { btf__load_vmlinux_btf() };
    if btf.is_null() {
        return None;
    }
    // SAFETY: Both are valid, and the name ends in a 0.
    let id = unsafe { btf__find_by_name_kind(btf, name.as_ptr(), BTF_KIND_FUNC) };
    // SAFETY: It is not used any more.
    unsafe { btf__free(btf) };
    (id > 0).then_some(id)
}

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
