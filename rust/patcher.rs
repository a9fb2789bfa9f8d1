// SPDX-License-Identifier: GPL-2.0

//! Linear-time instruction patching for the BPF verifier.
//!
//! A rewrite pass of the verifier opens a session, records its edits while it walks the program
//! as it stands, and has all of them applied by one linearize. The C side is
//! [`include/linux/bpf_patcher.h`](srctree/include/linux/bpf_patcher.h).
//!
//! `entry` and `view` are the boundary: they turn what C hands over into slices, and hold all
//! `unsafe` code there is besides `abi`, `mode` and `verify::shadow`. All else works on slices and allocates nothing once it
//! has begun to change the program:
//!
//! - `log`: the edits of a session,
//! - `layout`: where each insn goes (the orig→new index table),
//! - `insns`, `jumps`, `aux`, `linfo`, `subprog`, `track`: one file per thing that moves,
//! - `engine`: their order.
//!
//! `verify` does it all once more with the kernel's own functions, and compares.

use kernel::prelude::*;

mod abi;
mod aux;
mod engine;
mod entry;
mod insns;
mod jumps;
mod layout;
mod linfo;
mod log;
mod mode;
mod session;
mod stats;
mod subprog;
mod track;
mod verify;
mod view;

#[cfg(CONFIG_BPF_PATCHER_KUNIT_TEST)]
mod tests;

module! {
    type: Patcher,
    name: "bpf_patcher",
    authors: ["The bpf-patcher maintainers"],
    description: "Linear-time instruction patching for the BPF verifier",
    license: "GPL",
}

struct Patcher {
    // Dropped in this order: no session begins once the registration is gone.
    _registration: entry::Registration,
    _stats: Pin<KBox<stats::Debugfs>>,
}

impl kernel::Module for Patcher {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let stats = stats::Debugfs::new()?;
        Ok(Self {
            _registration: entry::Registration::new(module)?,
            _stats: stats,
        })
    }
}
