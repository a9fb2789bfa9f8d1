// SPDX-License-Identifier: GPL-2.0

//! Creates the few maps that programs made here need.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libbpf_sys::{
    bpf_map_delete_elem, bpf_map_freeze, bpf_map_lookup_elem, bpf_map_update_elem, BPF_MAP_CREATE,
    BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PROG_ARRAY,
};

use super::sys::{bpf, owned};
use crate::kernel::unpriv::Dropped;

/// `BPF_MAP_TYPE_INSN_ARRAY`, and the size of its values in bytes.
const INSN_ARRAY: u32 = 34;
const INSN_ARRAY_VALUE: u32 = 16;
/// The position of an insn that is not there any more.
const INSN_DELETED: u32 = u32::MAX;

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
    answer(unsafe { bpf_map_freeze(map.as_raw_fd()) }).map(|()| map)
}

/// Where the insns of an insn array are in the rewritten program, in the order in which the array lists
/// them; None for those that were removed.
///
/// # Errors
///
/// What the kernel says.
pub fn insn_positions(map: BorrowedFd<'_>, entries: u32) -> io::Result<Vec<Option<u32>>> {
    let position = |key: u32| {
        // As the insn was given, and is in the rewritten and in the compiled program.
        let mut value = [0u32; INSN_ARRAY_VALUE as usize / 4];
        // SAFETY: Key and value have the sizes of those of an insn array.
        let err = unsafe {
            bpf_map_lookup_elem(
                map.as_raw_fd(),
                (&raw const key).cast(),
                (&raw mut value).cast(),
            )
        };
        answer(err).map(|()| (value[1] != INSN_DELETED).then_some(value[1]))
    };
    (0..entries).map(position).collect()
}

/// Bytes of the value of a map of one.
pub const VALUE: usize = 64;

/// Creates a map of one value of [`VALUE`] bytes.
///
/// # Errors
///
/// What the kernel says.
pub fn create_value() -> io::Result<OwnedFd> {
    create_map(BPF_MAP_TYPE_ARRAY, 4, VALUE as u32, 1)
}

/// Sets the value of a map of one.
///
/// # Errors
///
/// What the kernel says.
pub fn set_value(map: BorrowedFd<'_>, value: [u8; VALUE]) -> io::Result<()> {
    // SAFETY: `create_value` gives maps keys of four bytes and values of this size.
    unsafe { update(map, 0, value) }
}

/// The value of a map of one.
///
/// # Errors
///
/// What the kernel says.
pub fn value(map: BorrowedFd<'_>) -> io::Result<[u8; VALUE]> {
    let (key, mut value) = (0u32, [0u8; VALUE]);
    // SAFETY: `create_value` gives maps keys of four bytes and values of this size.
    let err = unsafe {
        bpf_map_lookup_elem(
            map.as_raw_fd(),
            (&raw const key).cast(),
            (&raw mut value).cast(),
        )
    };
    answer(err).map(|()| value)
}

/// Puts a program into a map of programs.
///
/// # Errors
///
/// What the kernel says.
pub fn put_program(map: BorrowedFd<'_>, key: u32, prog: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: Maps of programs have keys and values of four bytes.
    unsafe { update(map, key, prog.as_raw_fd()) }
}

/// Removes a program from a map of programs.
///
/// # Errors
///
/// What the kernel says: that there is none.
pub fn remove_program(map: BorrowedFd<'_>, key: u32) -> io::Result<()> {
    // SAFETY: Maps of programs have keys of four bytes.
    answer(unsafe { bpf_map_delete_elem(map.as_raw_fd(), (&raw const key).cast()) })
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
    answer(err)
}

/// What a function of libbpf returns, as a result.
fn answer(err: i32) -> io::Result<()> {
    match err {
        0 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(-err)),
    }
}
