// SPDX-License-Identifier: GPL-2.0

//! Accesses to context and packet.

use std::mem::offset_of;

use libbpf_sys::{
    bpf_sock_addr, bpf_sock_ops, BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_SOCK_OPS,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_SOCK_OPS,
};

use super::{classifier, ctx_of, filter, of_kind};
use crate::bpf::insn::Size::{B, H, W};
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, exit, ja, jmp, jmp_reg, ld_abs, ld_ind, ldx, may_goto, mov, mov_reg, st, stx, Cond,
    Insn, Op,
};
use crate::bpf::skb::{CB, DATA, DATA_END, IFINDEX, MARK, PRIORITY, QUEUE_MAPPING, TC_INDEX};
use crate::bpf::Spec;

/// Context accesses, packet loads and the prologue of packet writes.
pub fn context() -> Vec<Spec> {
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
