// SPDX-License-Identifier: GPL-2.0

//! Without the JIT, a program with a static branch is refused.

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;

use crate::bpf::insn::{exit, mov, nop_or_goto};
use crate::bpf::{self, Spec};
use crate::kernel::jit;
use crate::out;

const MESSAGE: &str = "JIT is required to use static branches";

/// True if it is, or if this kernel does nothing without the JIT.
///
/// # Errors
///
/// The setting of the JIT cannot be read.
pub fn without_jit() -> io::Result<bool> {
    let _off = match jit::off() {
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => {
            out::progress("this kernel has no interpreter, so no program is refused for it");
            return Ok(true);
        }
        off => off?,
    };
    let insns = vec![mov(0, 0), nop_or_goto(0), exit()];
    let spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "refused", insns);
    let (loaded, said) = bpf::load_briefly(&spec);
    let errno = loaded.err().and_then(|err| err.raw_os_error());
    out::progress(&format!("without the JIT: error {errno:?}, {said}"));
    Ok(errno == Some(libc::EOPNOTSUPP) && said.contains(MESSAGE))
}
