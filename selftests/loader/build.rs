// SPDX-License-Identifier: GPL-2.0

//! Links libzstd statically: Debian's libelf.a uses it for compressed sections, which libbpf-sys
//! does not know.
//!
//! The archive must stand behind libelf.a on the linker's command line, and `rustc-link-lib` would
//! put it in front; so it is given by its path, which the C compiler knows.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = Command::new("cc")
        .arg("-print-file-name=libzstd.a")
        .output()
        .expect("cannot run cc: install a C compiler");
    let path = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    assert!(
        Path::new(&path).is_absolute(),
        "libzstd.a not found: install libelf-dev, zlib1g-dev and libzstd-dev"
    );
    println!("cargo:rustc-link-arg={path}");
}
