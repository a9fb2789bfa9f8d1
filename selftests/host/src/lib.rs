// SPDX-License-Identifier: GPL-2.0

//! The engine of bpf_patcher on the host: the module's very source files, compiled against a small
//! stand-in for the kernel's crate. What `fuzz`, `coverage` and `mutants` of the Makefile run.
//!
//! - `model`: a naive implementation of what the engine does,
//! - `case`: programs and edits made of bytes, mostly valid,
//! - `host`: a program with its slices, as `view.rs` has it in the kernel,
//! - `check`: a case done by engine and model, and compared.

// The engine. Parts of it are for callers that are not here.
#[allow(dead_code)]
#[path = "../../../rust/abi.rs"]
mod abi;
#[allow(dead_code)]
#[path = "../../../rust/aux.rs"]
mod aux;
#[allow(dead_code)]
#[path = "../../../rust/engine.rs"]
mod engine;
#[allow(dead_code)]
#[path = "../../../rust/insns.rs"]
mod insns;
#[allow(dead_code)]
#[path = "../../../rust/jumps.rs"]
mod jumps;
#[allow(dead_code)]
#[path = "../../../rust/layout.rs"]
mod layout;
#[allow(dead_code)]
#[path = "../../../rust/linfo.rs"]
mod linfo;
#[allow(dead_code)]
#[path = "../../../rust/log.rs"]
mod log;
#[allow(dead_code)]
#[path = "../../../rust/subprog.rs"]
mod subprog;
#[allow(dead_code)]
#[path = "../../../rust/track.rs"]
mod track;

mod case;
mod check;
mod host;
mod model;
mod random;
mod stubs;

pub use check::{check, Tally};
pub use random::bytes as random_bytes;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod kunit;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod units;
