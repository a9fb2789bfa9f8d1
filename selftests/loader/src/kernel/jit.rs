// SPDX-License-Identifier: GPL-2.0

//! What of the JIT and the interpreter this kernel has.

use std::io;

use super::sysctl::Setting;

const ENABLE: &str = "net/core/bpf_jit_enable";

/// Lets the JIT compile while the setting exists; None when this kernel has no JIT.
///
/// # Errors
///
/// The kernel refuses.
pub fn on() -> io::Result<Option<Setting>> {
    match Setting::set(ENABLE, "1") {
        Ok(setting) => Ok(Some(setting)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Has programs interpreted while the setting exists; None when this kernel has no JIT.
///
/// # Errors
///
/// The kernel refuses: it has no interpreter.
pub fn off() -> io::Result<Option<Setting>> {
    match Setting::set(ENABLE, "0") {
        Ok(setting) => Ok(Some(setting)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Can programs run without the JIT? A kernel without an interpreter does not let it be turned off.
///
/// # Errors
///
/// The kernel refuses for another reason.
pub fn has_interpreter() -> io::Result<bool> {
    match Setting::set(ENABLE, "0") {
        Ok(_) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => Ok(false),
        Err(err) => Err(err),
    }
}
