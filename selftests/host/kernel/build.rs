// SPDX-License-Identifier: GPL-2.0

//! Takes the bindings that the kernel's build made: `BPF_PATCHER_BINDINGS` has their path.

use std::{env, fs, path::Path};

const VARIABLE: &str = "BPF_PATCHER_BINDINGS";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let Ok(path) = env::var(VARIABLE) else {
        panic!("set {VARIABLE} to bindings_generated.rs of a kernel build, or use the scripts");
    };
    println!("cargo:rerun-if-changed={path}");
    let bindings = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));

    // The only unstable thing about them is for a kernel with CFI.
    let lines = bindings.lines().filter(|l| !l.contains("cfi_encoding"));
    let stable: Vec<_> = lines.collect();
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("bindings.rs"), stable.join("\n")).expect("cannot write");
}
