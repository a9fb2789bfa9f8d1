// SPDX-License-Identifier: GPL-2.0

//! Maps that random programs refer to, one of each kind.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_sys::{
    BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH,
    BPF_MAP_TYPE_PERCPU_ARRAY,
};

use crate::bpf::insn::{ld_map_fd, ld_map_value, Insn};
use crate::bpf::{create_map, create_outer_map, create_progs, create_progs_unprivileged};
use crate::programs::generator::kinds::KINDS;
use crate::programs::generator::rng::Rng;

/// Bytes in a value.
pub const VALUE: i16 = 64;

pub struct Maps {
    array: OwnedFd,
    /// Has one value only, so that its address may be had without a look-up.
    single: OwnedFd,
    /// Maps that are looked up in.
    plain: Vec<OwnedFd>,
    outer: OwnedFd,
    /// One for each type of program: a map of programs belongs to the type that names it first.
    progs: Vec<OwnedFd>,
}

impl Maps {
    /// # Errors
    ///
    /// What the kernel says.
    pub fn create() -> io::Result<Self> {
        let value = VALUE as u32;
        let array = create_map(BPF_MAP_TYPE_ARRAY, 4, value, 4)?;
        Ok(Self {
            outer: create_outer_map(BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, array.as_fd())?,
            array,
            single: create_map(BPF_MAP_TYPE_ARRAY, 4, value, 1)?,
            plain: vec![
                create_map(BPF_MAP_TYPE_HASH, 8, value, 4)?,
                create_map(BPF_MAP_TYPE_LRU_HASH, 4, value, 64)?,
                create_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, value, 4)?,
            ],
            progs: KINDS
                .iter()
                .map(|kind| match kind.unprivileged {
                    true => create_progs_unprivileged(4),
                    false => create_progs(4),
                })
                .collect::<io::Result<_>>()?,
        })
    }

    pub fn array_in(&self, reg: u8) -> [Insn; 2] {
        ld_map_fd(reg, self.array.as_raw_fd())
    }

    pub fn any_in(&self, reg: u8, rng: &mut Rng) -> [Insn; 2] {
        let map = match rng.below(self.plain.len() + 1) {
            0 => &self.array,
            at => &self.plain[at - 1],
        };
        ld_map_fd(reg, map.as_raw_fd())
    }

    /// The map whose values are maps.
    pub fn outer_in(&self, reg: u8) -> [Insn; 2] {
        ld_map_fd(reg, self.outer.as_raw_fd())
    }

    /// The map of programs for the type that is `kind` of [`KINDS`].
    pub fn progs_in(&self, reg: u8, kind: usize) -> [Insn; 2] {
        ld_map_fd(reg, self.progs[kind].as_raw_fd())
    }

    /// Address of a value, without a look-up.
    pub fn value(&self, reg: u8) -> [Insn; 2] {
        ld_map_value(reg, self.single.as_raw_fd(), 0)
    }
}
