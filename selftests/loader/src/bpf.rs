// SPDX-License-Identifier: GPL-2.0

//! bpf(2): load a program, ask what the kernel made of it, create the few maps hand-made
//! programs need. All descriptors are owned, all buffers are vectors.

use std::ffi::c_long;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use libbpf_sys::{
    bpf_prog_info, BPF_BTF_LOAD, BPF_F_XDP_HAS_FRAGS, BPF_MAP_CREATE, BPF_OBJ_GET_INFO_BY_FD,
    BPF_PROG_LOAD, BPF_PROG_TEST_RUN,
};

use crate::insn::{Insn, INSN_SIZE};
use crate::unpriv::Dropped;

/// A program as it is handed to the kernel: relocated, with descriptors of its maps in place.
#[derive(Clone, Default)]
pub struct Spec {
    pub name: String,
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach: u32,
    pub flags: u32,
    pub insns: Vec<Insn>,
    /// Descriptor of the BTF object, of whoever opened it.
    pub btf: Option<RawFd>,
    pub func_info: Records,
    pub line_info: Records,
    /// Load without capabilities.
    pub unprivileged: bool,
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

/// Head of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel takes what follows as zero.
#[derive(Default)]
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

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

/// Head of `union bpf_attr` for `BPF_BTF_LOAD`.
#[repr(C)]
struct BtfAttr {
    btf: u64,
    log_buf: u64,
    btf_size: u32,
    /// Said, as it would be padding else, which the kernel reads.
    log_size: u32,
}

/// Head of `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[derive(Default)]
#[repr(C)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

/// Head of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// Calls bpf(2).
///
/// # Safety
///
/// `T` must be a head of `union bpf_attr` for `cmd`, and every pointer in it valid for the size
/// that stands beside it, for writing too where the command writes.
unsafe fn bpf<T>(cmd: u32, attr: &mut T) -> io::Result<c_long> {
    let attr: *mut T = attr;
    // SAFETY: `attr` is valid for its size; what it points to is up to the caller.
    let ret = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr, size_of::<T>()) };
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

/// Turns the result of a command that makes a descriptor into that descriptor.
fn owned(ret: c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(ret as RawFd) }
}

/// Address for a pointer member of `union bpf_attr`, 0 for an empty buffer.
fn address<T>(buf: &[T]) -> u64 {
    if buf.is_empty() {
        0
    } else {
        buf.as_ptr() as u64
    }
}

/// Loads a program without a log.
///
/// Returns its descriptor and the time the system call took.
///
/// # Errors
///
/// What the kernel says.
pub fn load(spec: &Spec) -> io::Result<(OwnedFd, Duration)> {
    load_logged(spec, &mut [])
}

/// Reason that the verifier gives for refusing a program: the headline of its diagnosis, or the last
/// line of its log that is not a statistic.
pub fn refusal(spec: &Spec) -> Option<String> {
    let text = log(spec);
    let headline = text
        .lines()
        .rfind(|line| line.starts_with("Verification failed: "));
    let last = text
        .lines()
        .rfind(|line| !line.is_empty() && !line.starts_with("processed "));
    headline.or(last).map(str::to_owned)
}

/// What the verifier says about a program.
pub fn log(spec: &Spec) -> String {
    let mut log = vec![0; 1 << 20];
    // The descriptor of a program that is accepted now, and the error when the log is too small
    // for all of it, are of no interest here.
    let _ = load_logged(spec, &mut log);
    // What stands behind the first NUL is older: the verifier starts over when it has been through
    // the program, and may then refuse it all the same.
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn load_logged(spec: &Spec, log: &mut [u8]) -> io::Result<(OwnedFd, Duration)> {
    let license = c"GPL";
    let mut attr = LoadAttr {
        prog_type: spec.kind,
        insn_cnt: spec.insns.len() as u32,
        insns: address(&spec.insns),
        license: license.as_ptr() as u64,
        log_level: if log.is_empty() { 0 } else { 1 },
        log_size: log.len() as u32,
        log_buf: if log.is_empty() {
            0
        } else {
            log.as_mut_ptr() as u64
        },
        prog_flags: spec.flags,
        prog_name: kernel_name(&spec.name),
        expected_attach_type: spec.attach,
        ..Default::default()
    };
    if let Some(btf) = spec.btf {
        attr.prog_btf_fd = btf as u32;
        attr.func_info_rec_size = spec.func_info.size as u32;
        attr.func_info = address(&spec.func_info.bytes);
        attr.func_info_cnt = spec.func_info.count() as u32;
        attr.line_info_rec_size = spec.line_info.size as u32;
        attr.line_info = address(&spec.line_info.bytes);
        attr.line_info_cnt = spec.line_info.count() as u32;
    }
    let dropped = spec.unprivileged.then(Dropped::drop_all).transpose()?;
    let start = Instant::now();
    // SAFETY: `attr` is the head of the attributes for BPF_PROG_LOAD; its pointers are to buffers
    // of the stated sizes that `spec`, `license` and `log` keep alive, `log` writable.
    let ret = unsafe { bpf(BPF_PROG_LOAD, &mut attr) };
    let took = start.elapsed();
    drop(dropped);
    Ok((owned(ret?), took))
}

/// Runs a program that gets a packet once, on one of zeros, and returns what it returns.
///
/// # Errors
///
/// What the kernel says.
pub fn test_run(prog: BorrowedFd<'_>) -> io::Result<u32> {
    let packet = [0u8; 64];
    let mut attr = TestRunAttr {
        prog_fd: prog.as_raw_fd() as u32,
        data_size_in: packet.len() as u32,
        data_in: address(&packet),
        repeat: 1,
        ..Default::default()
    };
    // SAFETY: `attr` is the head of the attributes for BPF_PROG_TEST_RUN; its only pointer is to
    // `packet`, of the stated size.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attr) }?;
    Ok(attr.retval)
}

/// Name for the kernel: at most 15 characters of those it takes.
fn kernel_name(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    let bytes = name
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { b } else { b'_' });
    for (to, from) in out[..15].iter_mut().zip(bytes) {
        *to = from;
    }
    out
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
    Length,
}

/// Asks the kernel about a loaded program.
///
/// # Errors
///
/// What the kernel says; ENOMEM for the instructions of a program of more than half a million,
/// which it copies to one physically contiguous buffer.
pub fn report(prog: BorrowedFd<'_>, detail: Detail) -> io::Result<Report> {
    let mut info = bpf_prog_info::default();
    get_info(prog, &mut info)?;

    let wanted = if detail == Detail::Full {
        info.xlated_prog_len as usize
    } else {
        0
    };
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
        xlated: (detail == Detail::Full).then_some(xlated),
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

/// Loads type information.
///
/// # Errors
///
/// What the kernel says.
pub fn load_btf(blob: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = BtfAttr {
        btf: address(blob),
        log_buf: 0,
        btf_size: blob.len() as u32,
        log_size: 0,
    };
    // SAFETY: `attr` is the head of the attributes for BPF_BTF_LOAD; `blob` is valid for its size.
    unsafe { bpf(BPF_BTF_LOAD, &mut attr) }.map(owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel() {
        assert_eq!(&kernel_name("a-b"), b"a_b\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(kernel_name("much_too_long_a_name")[15], 0);
    }

    #[test]
    fn counts_of_records() {
        assert_eq!(records(8, 3).count(), 3);
        assert_eq!(Records::default().count(), 0);
    }
}
