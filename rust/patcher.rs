// SPDX-License-Identifier: GPL-2.0

//! Linear-time instruction patching for the BPF verifier.
//!
//! A rewrite pass of the verifier opens a session with its first edit, records its edits while it
//! walks over the program as it stands, and has all of them applied by one linearize. The C side is
//! [`include/linux/bpf_patcher.h`](srctree/include/linux/bpf_patcher.h).
//!
//! - `entry`: what C calls,
//! - `session`: the edits of one pass, and what they count for,
//! - `spare`: a box that one user leaves to the next,
//! - `linearize`: plan, allocate, change,
//! - `view`: the program as C has it, and as slices for the engine,
//! - `engine`: the work itself, on slices,
//! - `verify`: the same once more, by the kernel's own functions, and a comparison,
//! - `mode`, `stats`: the module's parameter and counters,
//! - `resched`: lets others run.
//!
//! `entry` and `view` are the boundary to C. They hold all `unsafe` code except that of
//! `verify::stock`, which calls the kernel's own functions, of its copy in `verify::shadow`, and single
//! lines of `mode`, `resched`, `session`, `spare` and `verify::dump`.

use kernel::prelude::*;

mod engine;
mod entry;
mod linearize;
mod mode;
mod resched;
mod session;
mod spare;
mod stats;
#[cfg(CONFIG_BPF_PATCHER_DEBUG)]
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
    imports_ns: ["BPF_PATCHER"],
}

struct Patcher {
    // Dropped in this order: no session begins once the registration is gone.
    _registration: entry::Registration,
    _stats: Pin<KBox<stats::Debugfs>>,
}

fn offers(is_there: bool) -> &'static str {
    match is_there {
        true => "offers",
        false => "lacks",
    }
}

impl kernel::Module for Patcher {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let stats = stats::Debugfs::new()?;
        let registration = entry::Registration::new(module)?;
        pr_info!(
            "contract {}; the kernel {} jumps of 32 bits and {} mode verify\n",
            entry::CONTRACT,
            offers(cfg!(CONFIG_BPF_PATCHER_FAR_JUMPS)),
            offers(cfg!(CONFIG_BPF_PATCHER_DEBUG)),
        );
        Ok(Self {
            _registration: registration,
            _stats: stats,
        })
    }
}
