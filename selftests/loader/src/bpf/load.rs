// SPDX-License-Identifier: GPL-2.0

//! Loads programs.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use libbpf_sys::BPF_PROG_LOAD;

use super::sys::{address, bpf, owned};
use super::{create_insn_array, Spec};
use crate::kernel::sysctl::harden;
use crate::kernel::unpriv::Dropped;

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
    attach_prog_fd: u32,
    core_relo_cnt: u32,
    fd_array: u64,
    core_relos: u64,
    core_relo_rec_size: u32,
    log_true_size: u32,
    prog_token_fd: u32,
    fd_array_cnt: u32,
}

/// What the verifier says of a jump that does not fit.
const TOO_FAR: &str = "cannot be patched due to 16-bit range";
/// An error number that libc does not have, as it is the kernel's own.
const ENOTSUPP: i32 = 524;

/// Log levels: the way through the program (`BPF_LOG_LEVEL1`), all of it with what is done to the program
/// (`BPF_LOG_LEVEL2`), and statistics and errors alone (`BPF_LOG_STATS`).
const LOG_WAY: u32 = 1;
const LOG_ALL: u32 = 2;
const LOG_STATS: u32 = 4;

/// Loads a program without a log.
///
/// Returns its descriptor and the time the system call took.
///
/// # Errors
///
/// What the kernel says.
pub fn load(spec: &Spec) -> io::Result<(OwnedFd, Duration)> {
    load_logged(spec, &mut [], 0)
}

/// The same, and what the verifier says, except for the way that it goes through the program: that is long.
pub fn load_briefly(spec: &Spec) -> (io::Result<(OwnedFd, Duration)>, String) {
    let mut log = vec![0; 1 << 12];
    let loaded = load_logged(spec, &mut log, LOG_STATS);
    (loaded, text(&log))
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

/// Was a program refused as a jump does not fit once it is rewritten?
///
/// Of a jump that blinding itself makes too long, the verifier says nothing. The program is then not
/// compiled, and a kernel without an interpreter does not take it.
pub fn is_too_far(err: &io::Error, reason: &str) -> bool {
    match err.raw_os_error() {
        Some(libc::ENOMEM) => reason.contains(TOO_FAR),
        errno => errno == Some(ENOTSUPP),
    }
}

/// What the verifier says about a program.
pub fn log(spec: &Spec) -> String {
    log_at(spec, LOG_WAY)
}

/// The last of all that it says, with what it does to the program.
pub fn full_log(spec: &Spec) -> String {
    log_at(spec, LOG_ALL)
}

fn log_at(spec: &Spec, level: u32) -> String {
    let mut log = vec![0; 1 << 20];
    // The descriptor of a program that is accepted now, and the error when the log is too small
    // for all of it, are of no interest here.
    let _ = load_logged(spec, &mut log, level);
    text(&log)
}

/// A log as text. What stands behind the first NUL is older: the verifier starts over when it has been
/// through the program, and may then refuse it all the same.
fn text(log: &[u8]) -> String {
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn load_logged(spec: &Spec, log: &mut [u8], level: u32) -> io::Result<(OwnedFd, Duration)> {
    load_by(spec, log, level, |call| {
        let start = Instant::now();
        call().map(|prog| (prog, start.elapsed()))
    })?
}

/// Loads a program: lets `by` make the system call, which it does once and around which nothing else
/// happens.
///
/// # Errors
///
/// What the kernel says to what comes before the system call.
pub fn load_by<T>(
    spec: &Spec,
    log: &mut [u8],
    level: u32,
    by: impl FnOnce(&mut dyn FnMut() -> io::Result<OwnedFd>) -> T,
) -> io::Result<T> {
    let license = c"GPL";
    let mut insns = Cow::Borrowed(&spec.insns);
    let map = spec
        .array
        .as_ref()
        .map(|array| create_insn_array(&array.entries));
    let map = map.transpose()?;
    if let (Some(array), Some(map)) = (&spec.array, &map) {
        insns.to_mut()[array.loaded_by].imm = map.as_raw_fd();
    }
    let mut attr = LoadAttr {
        prog_type: spec.kind,
        insn_cnt: insns.len() as u32,
        insns: address(&insns),
        license: license.as_ptr() as u64,
        log_level: level,
        log_size: log.len() as u32,
        log_buf: if log.is_empty() {
            0
        } else {
            log.as_mut_ptr() as u64
        },
        prog_flags: spec.flags,
        prog_name: kernel_name(&spec.name),
        expected_attach_type: spec.attach,
        attach_btf_id: spec.attach_btf,
        fd_array: address(&spec.bound),
        fd_array_cnt: spec.bound.len() as u32,
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
    let _harden = spec.harden.map(harden).transpose()?;
    let dropped = match (spec.unprivileged, spec.cap_bpf) {
        (true, _) => Some(Dropped::drop_all()?),
        (false, true) => Some(Dropped::to_cap_bpf()?),
        (false, false) => None,
    };
    let result = by(&mut || {
        // SAFETY: `attr` is the head of the attributes for BPF_PROG_LOAD; its pointers are to buffers
        // of the stated sizes that `spec`, `insns`, `license` and `log` keep alive, `log` writable.
        unsafe { bpf(BPF_PROG_LOAD, &mut attr) }.map(owned)
    });
    drop(dropped);
    Ok(result)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel() {
        assert_eq!(&kernel_name("a-b"), b"a_b\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(kernel_name("much_too_long_a_name")[15], 0);
    }
}
