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
//! - `mode`, `stats`, `trace`: the module's parameter, counters and tracepoint,
//! - `pass`: the pass that a session is for,
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
mod pass;
mod resched;
mod session;
mod spare;
mod stats;
mod trace;
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
    _registration: entry::Registration,
}

fn offers(is_there: bool) -> &'static str {
    match is_there {
        true => "offers",
        false => "lacks",
    }
}

impl kernel::Module for Patcher {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let registration = entry::Registration::new(module)?;
        pr_info!(
            "mode {}, contract {}; the kernel {} jumps of 32 bits and {} mode verify\n",
            mode::current().name(),
            entry::CONTRACT,
            offers(cfg!(CONFIG_BPF_PATCHER_FAR_JUMPS)),
            offers(cfg!(CONFIG_BPF_PATCHER_DEBUG)),
        );
        Ok(Self {
            _registration: registration,
        })
    }
}
