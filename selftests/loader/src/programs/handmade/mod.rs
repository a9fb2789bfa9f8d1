// SPDX-License-Identifier: GPL-2.0

//! Small programs, one or more for every pass that rewrites without a JIT.
//!
//! Each loads, and comes out at another length than it went in: else it would test nothing, and
//! `identical` counts it as bad. What needs BTF (`bpf_loop` with its callback, line and func info of
//! removed functions) comes from the C files of selftests/progs.

mod arithmetic;
mod calls;
mod context;
mod jumps;
mod shrinking;
mod unprivileged;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use libbpf_sys::{BPF_MAP_TYPE_ARRAY, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_SOCKET_FILTER};

use crate::bpf::insn::Size::W;
use crate::bpf::insn::{ldx, Insn};
use crate::bpf::skb::IFINDEX;
use crate::bpf::{create_map, create_progs_unprivileged, Spec};
use crate::kernel::unpriv;
use crate::programs::{Fixed, Given, Origin};

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
    /// What the kernel says: ordinary users may not have maps.
    pub fn create() -> io::Result<Self> {
        Ok(Self {
            array: create_map(BPF_MAP_TYPE_ARRAY, 4, VALUE, 4)?,
            progs: create_progs_unprivileged(4)?,
        })
    }
}

/// Every program; they refer to the maps by descriptor.
pub fn all(maps: &Maps) -> Vec<Spec> {
    let mut specs = shrinking::shrinking();
    specs.extend(calls::calls(maps.progs.as_raw_fd()));
    specs.extend(arithmetic::arithmetic());
    specs.extend(context::context());
    specs.extend(jumps::jumps());
    specs.extend(of_users(maps));
    specs
}

/// All of them as a source.
///
/// # Errors
///
/// What the kernel says about a map.
pub fn source() -> io::Result<Fixed> {
    let allowed = unpriv::allow()?;
    let maps = Maps::create()?;
    let origin = |spec: &Spec| match spec.unprivileged {
        true => Origin::User,
        false => Origin::Hand,
    };
    let given = all(&maps).into_iter();
    let given = given.map(|spec| Given::new(origin(&spec), spec)).collect();
    Ok(Fixed::keeping(given, (maps, allowed)))
}

/// Those of ordinary users.
pub fn of_users(maps: &Maps) -> Vec<Spec> {
    unprivileged::unprivileged(maps)
}

fn filter(name: &str, insns: &[Insn]) -> Spec {
    of_kind(BPF_PROG_TYPE_SOCKET_FILTER, name, insns)
}

fn classifier(name: &str, insns: &[Insn]) -> Spec {
    of_kind(BPF_PROG_TYPE_SCHED_CLS, name, insns)
}

fn of_kind(kind: u32, name: &str, insns: &[Insn]) -> Spec {
    Spec::new(kind, name, insns.to_vec())
}

fn ctx_of(reg: u8) -> Insn {
    ldx(W, 0, reg, IFINDEX)
}
