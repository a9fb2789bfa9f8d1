// SPDX-License-Identifier: GPL-2.0

//! A program before it is loaded.

use std::os::fd::RawFd;

use libbpf_sys::BPF_F_XDP_HAS_FRAGS;

use super::insn::Insn;

/// A program as it is handed to the kernel: relocated, with descriptors of its maps in place.
#[derive(Clone, Default)]
pub struct Spec {
    pub name: String,
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach: u32,
    pub flags: u32,
    /// What of the kernel's BTF it attaches to, a function or a type; 0 for none.
    pub attach_btf: u32,
    pub insns: Vec<Insn>,
    /// Descriptor of the BTF object, of whoever opened it.
    pub btf: Option<RawFd>,
    pub func_info: Records,
    pub line_info: Records,
    /// Load without capabilities.
    pub unprivileged: bool,
    /// Load with CAP_BPF and CAP_NET_ADMIN alone.
    pub cap_bpf: bool,
    /// What `net.core.bpf_jit_harden` is to be during the load; None as the kernel has it.
    pub harden: Option<u8>,
    /// Descriptors of maps that no insn names.
    pub bound: Vec<RawFd>,
    /// An insn array. It is made anew for each load, as it serves one program only.
    pub array: Option<InsnArray>,
}

/// A map of insns, which an insn of the program loads the address of.
#[derive(Clone)]
pub struct InsnArray {
    pub entries: Vec<u32>,
    /// Index of the insn that gets the map's descriptor.
    pub loaded_by: usize,
}

impl Spec {
    /// A program with this name and type.
    pub fn new(kind: u32, name: &str, insns: Vec<Insn>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            insns,
            ..Self::default()
        }
    }
}

/// Equal-sized records (`struct bpf_func_info`, `struct bpf_line_info`) as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Size of one, in bytes.
    pub size: usize,
    pub bytes: Vec<u8>,
}

impl Records {
    pub fn count(&self) -> usize {
        self.bytes.len().checked_div(self.size).unwrap_or(0)
    }
}

/// Section names that start like this ask for packets in fragments.
pub const XDP_FRAGS_PREFIX: &str = "xdp.frags";
/// The flag that goes with it.
pub const XDP_FRAGS_FLAG: u32 = BPF_F_XDP_HAS_FRAGS;
