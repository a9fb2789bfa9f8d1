// SPDX-License-Identifier: GPL-2.0

//! The types of programs that are made: those that load without the kernel's own BTF.

use libbpf_sys::{
    BPF_CGROUP_DEVICE, BPF_CGROUP_GETSOCKOPT, BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT,
    BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_SOCK_CREATE,
    BPF_CGROUP_SOCK_OPS, BPF_CGROUP_SYSCTL, BPF_FLOW_DISSECTOR, BPF_PROG_TYPE_CGROUP_DEVICE,
    BPF_PROG_TYPE_CGROUP_SKB, BPF_PROG_TYPE_CGROUP_SOCK, BPF_PROG_TYPE_CGROUP_SOCKOPT,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_PROG_TYPE_FLOW_DISSECTOR,
    BPF_PROG_TYPE_LWT_IN, BPF_PROG_TYPE_LWT_SEG6LOCAL, BPF_PROG_TYPE_LWT_XMIT,
    BPF_PROG_TYPE_SCHED_ACT, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SK_LOOKUP,
    BPF_PROG_TYPE_SK_MSG, BPF_PROG_TYPE_SK_REUSEPORT, BPF_PROG_TYPE_SK_SKB,
    BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_XDP, BPF_SK_LOOKUP,
    BPF_SK_MSG_VERDICT, BPF_SK_REUSEPORT_SELECT, BPF_SK_SKB_STREAM_VERDICT, BPF_XDP,
};

use crate::bpf::insn::Size::{self, DW, W};
use crate::bpf::skb::{DATA, DATA_END};

pub struct Kind {
    pub name: &'static str,
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach: u32,
    /// How the program reaches the packet without helpers.
    pub packet: Option<Packet>,
    /// The old packet loads are allowed.
    pub ld_abs: bool,
    /// What the program may return; empty: any number.
    pub results: &'static [i32],
    /// Ordinary users may load it.
    pub unprivileged: bool,
    /// How often it is made.
    pub weight: u32,
}

#[derive(Clone, Copy)]
pub struct Packet {
    /// Of the fields that hold the addresses.
    pub size: Size,
    pub data: i16,
    pub end: i16,
    pub write: bool,
}

const fn skb(write: bool) -> Option<Packet> {
    Some(Packet {
        size: W,
        data: DATA,
        end: DATA_END,
        write,
    })
}

const DEFAULT: Kind = Kind {
    name: "",
    kind: 0,
    attach: 0,
    packet: None,
    ld_abs: false,
    results: &[],
    unprivileged: false,
    weight: 2,
};

pub const KINDS: [Kind; 21] = [
    Kind {
        name: "socket_filter",
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        ld_abs: true,
        unprivileged: true,
        weight: 10,
        ..DEFAULT
    },
    Kind {
        name: "sched_cls",
        kind: BPF_PROG_TYPE_SCHED_CLS,
        packet: skb(true),
        ld_abs: true,
        weight: 12,
        ..DEFAULT
    },
    Kind {
        name: "sched_act",
        kind: BPF_PROG_TYPE_SCHED_ACT,
        packet: skb(true),
        ld_abs: true,
        ..DEFAULT
    },
    Kind {
        name: "xdp",
        kind: BPF_PROG_TYPE_XDP,
        attach: BPF_XDP,
        packet: Some(Packet {
            size: W,
            data: 0,
            end: 4,
            write: true,
        }),
        weight: 5,
        ..DEFAULT
    },
    Kind {
        name: "cgroup_skb_ingress",
        kind: BPF_PROG_TYPE_CGROUP_SKB,
        attach: BPF_CGROUP_INET_INGRESS,
        packet: skb(false),
        results: &[0, 1],
        unprivileged: true,
        weight: 4,
        ..DEFAULT
    },
    Kind {
        name: "cgroup_skb_egress",
        kind: BPF_PROG_TYPE_CGROUP_SKB,
        attach: BPF_CGROUP_INET_EGRESS,
        packet: skb(false),
        results: &[0, 1, 2, 3],
        unprivileged: true,
        weight: 2,
        ..DEFAULT
    },
    Kind {
        name: "lwt_in",
        kind: BPF_PROG_TYPE_LWT_IN,
        packet: skb(false),
        ..DEFAULT
    },
    Kind {
        name: "lwt_xmit",
        kind: BPF_PROG_TYPE_LWT_XMIT,
        packet: skb(true),
        ..DEFAULT
    },
    Kind {
        name: "lwt_seg6local",
        kind: BPF_PROG_TYPE_LWT_SEG6LOCAL,
        packet: skb(false),
        ..DEFAULT
    },
    Kind {
        name: "sk_skb",
        kind: BPF_PROG_TYPE_SK_SKB,
        attach: BPF_SK_SKB_STREAM_VERDICT,
        packet: skb(true),
        weight: 4,
        ..DEFAULT
    },
    Kind {
        name: "sk_msg",
        kind: BPF_PROG_TYPE_SK_MSG,
        attach: BPF_SK_MSG_VERDICT,
        packet: Some(Packet {
            size: DW,
            data: 0,
            end: 8,
            write: true,
        }),
        weight: 3,
        ..DEFAULT
    },
    Kind {
        name: "flow_dissector",
        kind: BPF_PROG_TYPE_FLOW_DISSECTOR,
        attach: BPF_FLOW_DISSECTOR,
        packet: skb(false),
        results: &[0],
        ..DEFAULT
    },
    Kind {
        name: "sk_reuseport",
        kind: BPF_PROG_TYPE_SK_REUSEPORT,
        attach: BPF_SK_REUSEPORT_SELECT,
        packet: Some(Packet {
            size: DW,
            data: 0,
            end: 8,
            write: false,
        }),
        ..DEFAULT
    },
    Kind {
        name: "sk_lookup",
        kind: BPF_PROG_TYPE_SK_LOOKUP,
        attach: BPF_SK_LOOKUP,
        results: &[0, 1],
        weight: 4,
        ..DEFAULT
    },
    Kind {
        name: "sock_ops",
        kind: BPF_PROG_TYPE_SOCK_OPS,
        attach: BPF_CGROUP_SOCK_OPS,
        results: &[0, 1],
        weight: 8,
        ..DEFAULT
    },
    Kind {
        name: "sock_addr4",
        kind: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        attach: BPF_CGROUP_INET4_CONNECT,
        results: &[0, 1],
        weight: 3,
        ..DEFAULT
    },
    Kind {
        name: "sock_addr6",
        kind: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        attach: BPF_CGROUP_INET6_CONNECT,
        results: &[0, 1],
        weight: 3,
        ..DEFAULT
    },
    Kind {
        name: "cgroup_sock",
        kind: BPF_PROG_TYPE_CGROUP_SOCK,
        attach: BPF_CGROUP_INET_SOCK_CREATE,
        results: &[0, 1],
        weight: 3,
        ..DEFAULT
    },
    Kind {
        name: "cgroup_sysctl",
        kind: BPF_PROG_TYPE_CGROUP_SYSCTL,
        attach: BPF_CGROUP_SYSCTL,
        results: &[0, 1],
        ..DEFAULT
    },
    Kind {
        name: "cgroup_sockopt",
        kind: BPF_PROG_TYPE_CGROUP_SOCKOPT,
        attach: BPF_CGROUP_GETSOCKOPT,
        results: &[0, 1],
        ..DEFAULT
    },
    Kind {
        name: "cgroup_device",
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        attach: BPF_CGROUP_DEVICE,
        results: &[0, 1],
        ..DEFAULT
    },
];
