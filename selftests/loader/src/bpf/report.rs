// SPDX-License-Identifier: GPL-2.0

//! What the kernel says about a program that it has loaded.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libbpf_sys::{bpf_prog_info, BPF_OBJ_GET_INFO_BY_FD};

use super::insn::INSN_SIZE;
use super::sys::bpf;
use super::Records;

/// Head of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// What the kernel reports about a loaded program; what the JIT made of it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Instructions after rewriting.
    pub insns: usize,
    /// Their bytes; None when not asked for.
    pub xlated: Option<Vec<u8>>,
    pub func_info: Records,
    pub line_info: Records,
    /// Hash of the program as handed in, and of each of its functions as rewritten.
    pub tags: Vec<[u8; 8]>,
    pub verified_insns: u32,
    pub map_ids: Vec<u32>,
}

/// Does a report carry the instructions, or only their number?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Full,
    /// The instructions of a program that has less than [`SMALL`].
    Small,
    Length,
}

/// Instructions that the kernel reports for sure.
pub const SMALL: usize = 400_000;

/// Asks the kernel about a loaded program.
///
/// # Errors
///
/// What the kernel says; ENOMEM for the instructions of a program of more than half a million,
/// which it copies to one physically contiguous buffer.
pub fn report(prog: BorrowedFd<'_>, detail: Detail) -> io::Result<Report> {
    let mut info = bpf_prog_info::default();
    get_info(prog, &mut info)?;

    let len = info.xlated_prog_len as usize;
    let full = match detail {
        Detail::Full => true,
        Detail::Small => len / INSN_SIZE < SMALL,
        Detail::Length => false,
    };
    let wanted = if full { len } else { 0 };
    let mut xlated = vec![0u8; wanted];
    let mut func_info = records(info.func_info_rec_size, info.nr_func_info);
    let mut line_info = records(info.line_info_rec_size, info.nr_line_info);
    let mut tags = vec![[0u8; 8]; info.nr_prog_tags as usize];
    let mut map_ids = vec![0u32; info.nr_map_ids as usize];

    let mut filled = bpf_prog_info {
        xlated_prog_len: wanted as u32,
        xlated_prog_insns: xlated.as_mut_ptr() as u64,
        func_info_rec_size: info.func_info_rec_size,
        nr_func_info: info.nr_func_info,
        func_info: func_info.bytes.as_mut_ptr() as u64,
        line_info_rec_size: info.line_info_rec_size,
        nr_line_info: info.nr_line_info,
        line_info: line_info.bytes.as_mut_ptr() as u64,
        nr_prog_tags: info.nr_prog_tags,
        prog_tags: tags.as_mut_ptr() as u64,
        nr_map_ids: info.nr_map_ids,
        map_ids: map_ids.as_mut_ptr() as u64,
        ..Default::default()
    };
    get_info(prog, &mut filled)?;

    tags.insert(0, filled.tag);
    Ok(Report {
        insns: filled.xlated_prog_len as usize / INSN_SIZE,
        xlated: full.then_some(xlated),
        func_info,
        line_info,
        tags,
        verified_insns: filled.verified_insns,
        map_ids,
    })
}

/// Was the program JITed?
///
/// # Errors
///
/// What the kernel says.
pub fn is_jited(prog: BorrowedFd<'_>) -> io::Result<bool> {
    let mut info = bpf_prog_info::default();
    get_info(prog, &mut info)?;
    Ok(info.jited_prog_len > 0)
}

/// Room for `count` records.
fn records(size: u32, count: u32) -> Records {
    Records {
        size: size as usize,
        bytes: vec![0; size as usize * count as usize],
    }
}

/// Fills `info` and the buffers that it points to; its callers size those as it says.
fn get_info(prog: BorrowedFd<'_>, info: &mut bpf_prog_info) -> io::Result<()> {
    let info: *mut bpf_prog_info = info;
    let mut attr = InfoAttr {
        fd: prog.as_raw_fd() as u32,
        len: size_of::<bpf_prog_info>() as u32,
        info: info as u64,
    };
    // SAFETY: `attr` is the head of the attributes for BPF_OBJ_GET_INFO_BY_FD, `info` is valid for
    // `len` bytes, and each pointer in it has room for the length or count beside it (both calls in
    // `report`: none with all of them zero, vectors of just that length otherwise; in
    // `is_jited`, all zero).
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_records() {
        assert_eq!(records(8, 3).count(), 3);
        assert_eq!(Records::default().count(), 0);
    }
}
