// SPDX-License-Identifier: GPL-2.0

//! Small programs, one or more for every pass that rewrites without a JIT.
//!
//! Each loads, and comes out at another length than it went in: else it would test nothing, and
//! `identity` counts it as bad. What needs BTF (`bpf_loop` with its callback, line and func info of
//! removed functions) comes from the C files of selftests/progs.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, OwnedFd};

use libbpf_sys::{
    bpf_sock_addr, bpf_sock_ops, BPF_FUNC_map_lookup_elem, BPF_FUNC_tail_call,
    BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_SOCK_OPS, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PROG_ARRAY,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SOCKET_FILTER,
    BPF_PROG_TYPE_SOCK_OPS,
};

use crate::bpf::{create_map, Spec};
use crate::insn::Size::{B, DW, H, W};
use crate::insn::Width::{W32, W64};
use crate::insn::{
    alu_imm, alu_reg, call, call_rel, cmpxchg, exit, gotol, ja, jmp, jmp_reg, ld_abs, ld_ind,
    ld_map_fd, ldx, may_goto, mov, mov_reg, signed, st, stx, Cond, Insn, Op,
};

use crate::skb::{CB, DATA, DATA_END, IFINDEX, LEN, MARK, PRIORITY, QUEUE_MAPPING, TC_INDEX};

/// Frame pointer.
const FP: u8 = 10;
/// Bytes in a value of the array map.
const VALUE: u32 = 64;

/// Maps that the programs refer to.
pub struct Maps {
    array: OwnedFd,
    progs: OwnedFd,
}

impl Maps {
    /// # Errors
    ///
    /// What the kernel says.
    pub fn create() -> io::Result<Self> {
        Ok(Self {
            array: create_map(BPF_MAP_TYPE_ARRAY, 4, VALUE, 4)?,
            progs: create_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4)?,
        })
    }
}

/// Every program; they refer to the maps by descriptor.
pub fn all(maps: &Maps) -> Vec<Spec> {
    let mut specs = shrinking();
    specs.extend(calls());
    specs.extend(arithmetic());
    specs.extend(context());
    specs.extend(jumps());
    specs.extend(unprivileged(maps));
    specs
}

fn filter(name: &str, insns: &[Insn]) -> Spec {
    of_kind(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

fn classifier(name: &str, insns: &[Insn]) -> Spec {
    of_kind(BPF_PROG_TYPE_SCHED_CLS, name, insns)
}

fn of_kind(kind: u32, name: &str, insns: &[Insn]) -> Spec {
    Spec {
        name: name.to_owned(),
        kind,
        insns: insns.to_vec(),
        ..Spec::default()
    }
}

/// Dead code and jumps that do nothing.
fn shrinking() -> Vec<Spec> {
    // Never true, which only verification finds out.
    let never = |off| [mov(7, 0), jmp(Cond::Ne, 7, 0, off)];
    let always = |off| [mov(7, 0), jmp(Cond::Eq, 7, 0, off)];
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter(
            "dead_code",
            &[
                &always(2)[..],
                &[mov(0, 1), mov(0, 2), ctx],
                &never(1),
                &[ja(2), mov(0, 3), mov(0, 4)],
                &always(1),
                &[mov(0, 5), ctx, mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // Dead runs at the start, in a row, and just before the end.
        filter(
            "dead_code_edges",
            &[
                &always(1)[..],
                &[mov(0, 1)],
                &always(1),
                &[mov(0, 2), ctx, mov(0, 0)],
                &always(1),
                &[mov(0, 3), exit()],
            ]
            .concat(),
        ),
        filter(
            "nops",
            &[
                ja(0),
                mov(0, 0),
                ja(0),
                ja(0),
                ctx,
                ja(0),
                mov(0, 0),
                exit(),
            ],
        ),
        // The second jump goes, which leaves a first one that would go too, had it been looked at
        // again; the first is jumped to behind it so that both are reachable.
        filter(
            "nop_after_jump",
            &[
                ldx(W, 0, 1, LEN),
                jmp(Cond::Gt, 0, 9, 1),
                ja(1),
                ja(0),
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "may_goto_nops",
            &[
                may_goto(1),
                may_goto(0),
                mov(0, 0),
                may_goto(2),
                may_goto(1),
                may_goto(0),
                exit(),
            ],
        ),
        filter(
            "may_goto_over_nop",
            &[may_goto(1), ja(0), mov(0, 0), may_goto(0), exit()],
        ),
    ]
}

/// Functions and loops.
fn calls() -> Vec<Spec> {
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter("may_goto", &[mov(0, 0), may_goto(1), ja(-3), exit()]),
        // Both functions need room for a counter in their frames.
        filter(
            "may_goto_in_functions",
            &[
                mov(0, 0),
                may_goto(1),
                ja(-3),
                call_rel(1),
                exit(),
                mov(0, 0),
                may_goto(1),
                ja(-3),
                exit(),
            ],
        ),
        // The first instruction of the program is a jump target too.
        filter(
            "may_goto_to_start",
            &[ctx, may_goto(1), ja(-3), mov(0, 0), exit()],
        ),
        filter(
            "functions",
            &[
                mov_reg(6, 1),
                call_rel(7),
                mov_reg(1, 6),
                ldx(W, 7, 6, IFINDEX),
                call_rel(6),
                ctx_of(6),
                call_rel(4),
                mov(0, 0),
                exit(),
                // First function.
                ctx,
                exit(),
                // Second function.
                mov(0, 1),
                ja(0),
                exit(),
            ],
        ),
        // The middle function of three is never called.
        filter(
            "dead_function",
            &[
                mov_reg(6, 1),
                mov(7, 0),
                jmp(Cond::Eq, 7, 0, 1),
                call_rel(4),
                mov_reg(1, 6),
                call_rel(5),
                mov(0, 0),
                exit(),
                // Dead.
                ctx,
                alu_imm(W64, Op::Add, 0, 1),
                exit(),
                // Live.
                ctx,
                exit(),
            ],
        ),
    ]
}

fn ctx_of(reg: u8) -> Insn {
    ldx(W, 0, reg, IFINDEX)
}

/// Divisions by a register, and the zero extension of a 32-bit compare-and-exchange.
fn arithmetic() -> Vec<Spec> {
    let mut specs = Vec::new();
    for (name, op) in [("div", Op::Div), ("mod", Op::Mod)] {
        for (suffix, width) in [("32", W32), ("64", W64)] {
            let plain = alu_reg(width, op, 0, 2);
            for (prefix, insn) in [("", plain), ("s", signed(plain))] {
                let name = format!("{prefix}{name}{suffix}");
                let insns = [
                    ldx(W, 0, 1, LEN),
                    ldx(W, 2, 1, LEN),
                    insn,
                    jmp(Cond::Gt, 0, 3, 1),
                    insn,
                    insn,
                    mov(0, 0),
                    exit(),
                ];
                specs.push(filter(&name, &insns));
            }
        }
    }
    specs.push(filter(
        "sdiv_by_minus_one",
        &[
            ldx(W, 0, 1, IFINDEX),
            signed(alu_imm(W64, Op::Div, 0, -1)),
            signed(alu_imm(W32, Op::Mod, 0, -1)),
            mov(0, 0),
            exit(),
        ],
    ));
    specs.push(filter(
        "cmpxchg32",
        &[
            ldx(W, 0, 1, LEN),
            stx(DW, FP, -8, 0),
            mov(2, 1),
            cmpxchg(W, FP, -8, 2),
            jmp(Cond::Eq, 0, 0, 1),
            cmpxchg(W, FP, -8, 2),
            exit(),
        ],
    ));
    specs
}

/// Context accesses, packet loads and the prologue of packet writes.
fn context() -> Vec<Spec> {
    let addr_ip = offset_of!(bpf_sock_addr, user_ip4) as i16;
    let addr_port = offset_of!(bpf_sock_addr, user_port) as i16;
    let addr_family = offset_of!(bpf_sock_addr, family) as i16;
    let ops_cwnd = offset_of!(bpf_sock_ops, snd_cwnd) as i16;
    let ops_hash = offset_of!(bpf_sock_ops, sk_txhash) as i16;
    let ops_port = offset_of!(bpf_sock_ops, local_port) as i16;
    vec![
        filter(
            "narrow_loads",
            &[
                ldx(B, 0, 1, IFINDEX),
                ldx(B, 0, 1, IFINDEX + 3),
                ldx(H, 0, 1, IFINDEX + 2),
                ldx(H, 0, 1, MARK),
                ldx(B, 0, 1, MARK + 1),
                ldx(W, 0, 1, MARK),
                mov(0, 0),
                exit(),
            ],
        ),
        classifier(
            "context_stores",
            &[
                ldx(W, 2, 1, IFINDEX),
                stx(W, 1, MARK, 2),
                st(W, 1, MARK, 7),
                stx(W, 1, PRIORITY, 2),
                stx(W, 1, CB + 4, 2),
                stx(W, 1, CB + 8, 2),
                ldx(W, 0, 1, CB + 4),
                stx(W, 1, QUEUE_MAPPING, 2),
                stx(W, 1, TC_INDEX, 2),
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "packet_loads",
            &[
                mov_reg(6, 1),
                ld_abs(H, 12),
                jmp(Cond::Ne, 0, 0x800, 3),
                ld_abs(B, 14),
                alu_imm(W64, Op::And, 0, 15),
                mov_reg(7, 0),
                ld_ind(W, 0, 4),
                ld_abs(W, 26),
                ctx_of(6),
                mov(0, 0),
                exit(),
            ],
        ),
        classifier("direct_write", &direct_write(&[])),
        // Jumps to the first instruction go behind the prologue.
        classifier("direct_write_loop", &direct_write(&[may_goto(1), ja(-8)])),
        Spec {
            attach: BPF_CGROUP_INET4_CONNECT,
            ..of_kind(
                BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                "sock_addr",
                &[
                    ldx(W, 2, 1, addr_ip),
                    ldx(B, 3, 1, addr_ip + 1),
                    ldx(W, 4, 1, addr_port),
                    ldx(W, 5, 1, addr_family),
                    stx(W, 1, addr_ip, 2),
                    stx(W, 1, addr_port, 4),
                    mov(0, 1),
                    exit(),
                ],
            )
        },
        Spec {
            attach: BPF_CGROUP_SOCK_OPS,
            ..of_kind(
                BPF_PROG_TYPE_SOCK_OPS,
                "sock_ops",
                &[
                    ldx(W, 2, 1, ops_cwnd),
                    ldx(W, 3, 1, ops_port),
                    stx(W, 1, ops_hash, 2),
                    // Context and result in one register: has to save a third one.
                    ldx(W, 1, 1, ops_cwnd),
                    mov(0, 1),
                    exit(),
                ],
            )
        },
    ]
}

/// Writes to the packet, which is why a prologue makes it writable first.
///
/// `tail` goes before the end; the first instruction is eight before its end when it has two.
fn direct_write(tail: &[Insn]) -> Vec<Insn> {
    let body = [
        ldx(W, 2, 1, DATA),
        ldx(W, 3, 1, DATA_END),
        mov_reg(4, 2),
        alu_imm(W64, Op::Add, 4, 14),
        jmp_reg(Cond::Gt, 4, 3, 1),
        st(B, 2, 0, 1),
    ];
    [&body[..], tail, &[mov(0, 0), exit()]].concat()
}

/// Every jump form over instructions that grow.
fn jumps() -> Vec<Spec> {
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter(
            "forward_jumps",
            &[
                ldx(W, 2, 1, LEN),
                jmp(Cond::Gt, 2, 100, 3),
                ctx,
                jmp(Cond::Lt, 2, 50, 1),
                ctx,
                jmp(Cond::Ne, 2, 7, 1),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "backward_jumps",
            &[
                mov(7, 0),
                ctx,
                ctx,
                alu_imm(W64, Op::Add, 7, 1),
                jmp(Cond::Lt, 7, 5, -3),
                jmp(Cond::Lt, 7, 8, -5),
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "gotol",
            &[
                ldx(W, 2, 1, LEN),
                jmp(Cond::Gt, 2, 100, 2),
                ctx,
                gotol(2),
                ctx,
                gotol(-3),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "backward_gotol",
            &[
                mov(7, 0),
                ctx,
                alu_imm(W64, Op::Add, 7, 1),
                jmp(Cond::Gt, 7, 4, 1),
                gotol(-4),
                ctx,
                mov(0, 0),
                exit(),
            ],
        ),
    ]
}

/// What the verifier adds for programs of ordinary users.
fn unprivileged(maps: &Maps) -> Vec<Spec> {
    let array = maps.array.as_raw_fd();
    let progs = maps.progs.as_raw_fd();
    // Always jumps; the processor may think otherwise, so the verifier looks at what follows too.
    let mispredicted = |off| [mov(0, 0), jmp(Cond::Eq, 0, 0, off)];
    let lookup = [
        &[
            st(W, FP, -4, 0),
            mov_reg(2, FP),
            alu_imm(W64, Op::Add, 2, -4),
        ][..],
        &ld_map_fd(1, array),
        &[call(BPF_FUNC_map_lookup_elem)],
    ]
    .concat();
    let specs = [
        // A barrier behind the store of a pointer.
        filter(
            "spilled_pointer",
            &[
                stx(DW, FP, -8, 1),
                ldx(DW, 6, FP, -8),
                ldx(W, 0, 6, IFINDEX),
                stx(DW, FP, -16, 6),
                mov(0, 0),
                exit(),
            ],
        ),
        // A barrier before a load that is also converted: r1 is a number if mispredicted.
        filter(
            "barrier_before_context",
            &[
                &mispredicted(1)[..],
                &[mov(1, 0), ctx_of(1), mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // A barrier before a conditional jump: r2 is a pointer if mispredicted.
        filter(
            "barrier_before_jump",
            &[
                &[mov(2, 1)][..],
                &mispredicted(1),
                &[
                    mov_reg(2, 1),
                    jmp(Cond::Eq, 2, 5, 1),
                    ctx_of(1),
                    mov(0, 0),
                    exit(),
                ],
            ]
            .concat(),
        ),
        // Dead code stays as an endless loop, with a barrier before it.
        filter(
            "barrier_before_dead",
            &[
                &mispredicted(2)[..],
                &[mov_reg(0, 1), exit(), ctx_of(1), mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // The index is masked.
        filter(
            "masked_pointer",
            &[
                &[ldx(W, 6, 1, LEN), alu_imm(W64, Op::And, 6, 15)][..],
                &lookup,
                &[
                    jmp(Cond::Eq, 0, 0, 3),
                    alu_reg(W64, Op::Add, 0, 6),
                    ldx(B, 1, 0, 0),
                    mov(0, 0),
                    mov(0, 0),
                    exit(),
                ],
            ]
            .concat(),
        ),
        filter(
            "tail_call",
            &[
                &[mov_reg(6, 1), ldx(W, 7, 6, LEN), ctx_of(6), mov_reg(1, 6)][..],
                &ld_map_fd(2, progs),
                &[mov_reg(3, 7), call(BPF_FUNC_tail_call), mov(0, 0), exit()],
            ]
            .concat(),
        ),
    ];
    specs
        .map(|spec| Spec {
            name: format!("unpriv_{}", spec.name),
            unprivileged: true,
            ..spec
        })
        .to_vec()
}
