// SPDX-License-Identifier: GPL-2.0

//! Creates the few maps that programs made here need.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libbpf_sys::{bpf_map_freeze, bpf_map_update_elem, BPF_MAP_CREATE, BPF_MAP_TYPE_PROG_ARRAY};

use super::sys::{bpf, owned};
use crate::kernel::unpriv::Dropped;

/// `BPF_MAP_TYPE_INSN_ARRAY`, and the size of its values in bytes.
const INSN_ARRAY: u32 = 34;
const INSN_ARRAY_VALUE: u32 = 16;

/// Head of `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// Creates a map.
///
/// # Errors
///
/// What the kernel says.
pub fn create_map(kind: u32, key: u32, value: u32, entries: u32) -> io::Result<OwnedFd> {
    make_map(&mut MapAttr {
        map_type: kind,
        key_size: key,
        value_size: value,
        max_entries: entries,
        map_flags: 0,
        inner_map_fd: 0,
    })
}

/// Creates a map of programs.
///
/// # Errors
///
/// What the kernel says.
pub fn create_progs(entries: u32) -> io::Result<OwnedFd> {
    create_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, entries)
}

/// The same as an ordinary user does: indices of its tail calls are masked, which those of root's maps are not.
///
/// # Errors
///
/// What the kernel says: an ordinary user may not.
pub fn create_progs_unprivileged(entries: u32) -> io::Result<OwnedFd> {
    let _dropped = Dropped::drop_all()?;
    create_progs(entries)
}

/// Creates a map of maps that are like `inner`.
///
/// # Errors
///
/// What the kernel says.
pub fn create_outer_map(kind: u32, entries: u32, inner: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    make_map(&mut MapAttr {
        map_type: kind,
        key_size: 4,
        value_size: 4,
        max_entries: entries,
        map_flags: 0,
        inner_map_fd: inner.as_raw_fd() as u32,
    })
}

fn make_map(attr: &mut MapAttr) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is the head of the attributes for BPF_MAP_CREATE and has no pointers.
    unsafe { bpf(BPF_MAP_CREATE, attr) }.map(owned)
}

/// Creates an insn array of these insns, as the verifier takes it.
///
/// # Errors
///
/// What the kernel says.
pub fn create_insn_array(insns: &[u32]) -> io::Result<OwnedFd> {
    let map = create_map(INSN_ARRAY, 4, INSN_ARRAY_VALUE, insns.len() as u32)?;
    for (key, &idx) in (0u32..).zip(insns) {
        // SAFETY: Key and value have the sizes that the map was created with.
        unsafe { update(map.as_fd(), key, [idx, 0, 0, 0]) }?;
    }
    // SAFETY: The function takes a descriptor.
    match unsafe { bpf_map_freeze(map.as_raw_fd()) } {
        0 => Ok(map),
        err => Err(io::Error::from_raw_os_error(-err)),
    }
}

/// Creates a map of one type that has the value 0 of four bytes under the key 0.
///
/// # Errors
///
/// What the kernel says.
pub fn create_map_of_zero(kind: u32) -> io::Result<OwnedFd> {
    let map = create_map(kind, 4, 4, 1)?;
    // SAFETY: Key and value have the sizes that the map was created with.
    unsafe { update(map.as_fd(), 0, 0u32) }?;
    Ok(map)
}

/// # Safety
///
/// The map has keys of four bytes, and values of the size of `V`.
unsafe fn update<V>(map: BorrowedFd<'_>, key: u32, value: V) -> io::Result<()> {
    // SAFETY: as the caller promises.
    let err = unsafe {
        bpf_map_update_elem(
            map.as_raw_fd(),
            (&raw const key).cast(),
            (&raw const value).cast(),
            0,
        )
    };
    match err {
        0 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(-err)),
    }
}
