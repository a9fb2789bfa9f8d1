// SPDX-License-Identifier: GPL-2.0

//! Whether the patcher makes jumps that are too far jumps of 32 bits.

use std::fs;
use std::io;

const FILE: &str = "/sys/module/bpf_patcher/parameters/far_jumps";

/// While this lives, programs with a jump that is too far are refused in every mode, as stock does.
pub struct Refused(());

impl Refused {
    /// # Errors
    ///
    /// A parameter that cannot be set. A kernel without a patcher refuses them anyway.
    pub fn now() -> io::Result<Self> {
        match fs::write(FILE, "0") {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                Err(io::Error::new(err.kind(), format!("{FILE}: {err}")))
            }
            _ => Ok(Self(())),
        }
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        // There is no patcher, or it took the same a moment ago.
        let _ = fs::write(FILE, "1");
    }
}
