// SPDX-License-Identifier: GPL-2.0

//! Settings of the running kernel.

use std::fs;
use std::io;
use std::path::PathBuf;

/// A setting has another value while this exists.
pub struct Setting {
    path: PathBuf,
    found: String,
}

impl Setting {
    /// Sets `name`, as `net/core/bpf_jit_harden`, or a file of another place by its absolute path.
    ///
    /// # Errors
    ///
    /// The kernel has no such setting, or refuses the value.
    pub fn set(name: &str, value: &str) -> io::Result<Self> {
        let path = PathBuf::from("/proc/sys").join(name);
        let complain =
            |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
        let found = fs::read_to_string(&path).map_err(complain)?;
        fs::write(&path, value).map_err(complain)?;
        let found = found.trim().to_owned();
        Ok(Self { path, found })
    }
}

/// Lets programs be blinded (2), those of ordinary users (1) or none (0) while the setting exists.
///
/// # Errors
///
/// As for [`Setting::set`].
pub fn harden(level: u8) -> io::Result<Setting> {
    Setting::set("net/core/bpf_jit_harden", &level.to_string())
}

impl Drop for Setting {
    fn drop(&mut self) {
        // Nothing to be done about a failure at this point.
        let _ = fs::write(&self.path, &self.found);
    }
}
