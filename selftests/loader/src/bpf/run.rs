// SPDX-License-Identifier: GPL-2.0

//! Runs programs.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libbpf_sys::BPF_PROG_TEST_RUN;

use super::sys::{address, bpf};

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
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
}

/// Runs a program that gets a packet once, on one of zeros, and returns what it returns.
///
/// # Errors
///
/// What the kernel says.
pub fn test_run(prog: BorrowedFd<'_>) -> io::Result<u32> {
    test_run_on(prog, &[0; 64], &[])
}

/// Runs a program `repeat` times on a packet of zeros, and returns what the last run returns, and the time
/// of a run in nanoseconds.
///
/// # Errors
///
/// What the kernel says.
pub fn test_runs(prog: BorrowedFd<'_>, repeat: u32) -> io::Result<(u32, u32)> {
    run(prog, &[0; 64], &[], repeat)
}

/// Runs a program that gets a packet once, and returns what it returns. `context` is the context as the
/// program sees it, or empty.
///
/// # Errors
///
/// What the kernel says.
pub fn test_run_on(prog: BorrowedFd<'_>, packet: &[u8], context: &[u8]) -> io::Result<u32> {
    run(prog, packet, context, 1).map(|(value, _)| value)
}

/// What a run of a program leaves behind.
pub struct Ran {
    pub value: u32,
    pub packet: Vec<u8>,
    pub context: Vec<u8>,
}

/// The same as [`test_run_on`], and what the packet and the context are afterwards.
///
/// # Errors
///
/// What the kernel says.
pub fn test_run_out(prog: BorrowedFd<'_>, packet: &[u8], context: &[u8]) -> io::Result<Ran> {
    let mut ran = Ran {
        value: 0,
        packet: vec![0; packet.len()],
        context: vec![0; context.len()],
    };
    let out = Some((&mut ran.packet[..], &mut ran.context[..]));
    ran.value = run_to(prog, packet, context, 1, out)?.0;
    Ok(ran)
}

fn run(prog: BorrowedFd<'_>, packet: &[u8], context: &[u8], repeat: u32) -> io::Result<(u32, u32)> {
    run_to(prog, packet, context, repeat, None)
}

fn run_to(
    prog: BorrowedFd<'_>,
    packet: &[u8],
    context: &[u8],
    repeat: u32,
    out: Option<(&mut [u8], &mut [u8])>,
) -> io::Result<(u32, u32)> {
    let mut attr = TestRunAttr {
        prog_fd: prog.as_raw_fd() as u32,
        data_size_in: packet.len() as u32,
        data_in: address(packet),
        repeat,
        ctx_size_in: context.len() as u32,
        ctx_in: address(context),
        ..Default::default()
    };
    if let Some((packet, context)) = out {
        attr.data_size_out = packet.len() as u32;
        attr.data_out = packet.as_mut_ptr() as u64;
        attr.ctx_size_out = context.len() as u32;
        attr.ctx_out = context.as_mut_ptr() as u64;
    }
    // SAFETY: `attr` is the head of the attributes for BPF_PROG_TEST_RUN; its pointers are to `packet` and
    // `context`, of the stated sizes, which the kernel reads, and to what is in `out`, which it writes.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attr) }?;
    Ok((attr.retval, attr.duration))
}
