// SPDX-License-Identifier: GPL-2.0

//! Classic filters: files of `struct sock_filter`, as of sockets, and of seccomp with the kernel's verdicts. Both are
//! turned into BPF without the verifier, so that blinding alone rewrites them.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Instant;

use super::said::Tried;
use crate::checks::runner::Runner;
use crate::kernel::mode::Mode;
use crate::kernel::stats::Stats;

/// Bytes of a `struct sock_filter`, and what an ELF file begins with.
const SIZE: usize = size_of::<libc::sock_filter>();
const ELF: &[u8] = b"\x7fELF";

/// The filter of a file, unless that is an object.
///
/// # Errors
///
/// A file that cannot be read.
pub fn read(path: &Path) -> io::Result<Option<Vec<libc::sock_filter>>> {
    let complain =
        |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    Ok(parse(&fs::read(path).map_err(complain)?))
}

fn parse(bytes: &[u8]) -> Option<Vec<libc::sock_filter>> {
    let is_filter = !bytes.is_empty() && bytes.len().is_multiple_of(SIZE);
    if bytes.starts_with(ELF) || !is_filter {
        return None;
    }
    let insn = |at: &[u8]| libc::sock_filter {
        code: u16::from_ne_bytes([at[0], at[1]]),
        jt: at[2],
        jf: at[3],
        k: u32::from_ne_bytes([at[4], at[5], at[6], at[7]]),
    };
    Some(bytes.chunks_exact(SIZE).map(insn).collect())
}

/// Attaches a filter to a socket, modes taking turns.
///
/// # Errors
///
/// The mode cannot be set; no socket.
pub fn load(
    filter: &[libc::sock_filter],
    file: &str,
    runner: &mut Runner,
    modes: [Mode; 2],
    rounds: usize,
) -> io::Result<Tried> {
    let Ok(len) = u16::try_from(filter.len()) else {
        return Ok(Tried::refused(
            file,
            "-",
            "too long for a filter".to_owned(),
        ));
    };
    let program = libc::sock_fprog {
        len,
        filter: filter.as_ptr().cast_mut(),
    };
    let (mut ns, mut stats) = ([Vec::new(), Vec::new()], Stats::default());
    for _ in 0..rounds.max(1) {
        for (mode, ns) in modes.into_iter().zip(&mut ns) {
            runner.switch.set(mode)?;
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            let before = Stats::read_if(&runner.switch)?;
            let start = Instant::now();
            // SAFETY: `program` has `len` insns at `filter`, which the kernel only reads.
            let ret = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_ATTACH_FILTER,
                    (&raw const program).cast(),
                    size_of_val(&program) as u32,
                )
            };
            let took = start.elapsed();
            if ret < 0 {
                let err = io::Error::last_os_error();
                return Ok(Tried::refused(file, "-", format!("no filter: {err}")));
            }
            ns.push(took.as_nanos() as u64);
            stats = Stats::read_if(&runner.switch)?.since(&before);
        }
    }
    Ok(Tried::of_filter(file, filter.len(), ns, &stats))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_filters() {
        // ret #0x7fff0000
        let insn = [6, 0, 0, 0, 0, 0, 0xff, 0x7f];
        let filter = parse(&insn.repeat(2)).unwrap();
        assert_eq!(
            (filter.len(), filter[1].code, filter[1].k),
            (2, 6, 0x7fff_0000)
        );
        assert!(parse(&[]).is_none() && parse(&insn[..7]).is_none());
        assert!(parse(b"\x7fELF\x02\x01\x01\0").is_none());
    }
}
