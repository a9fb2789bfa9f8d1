// SPDX-License-Identifier: GPL-2.0

//! The engine of bpf_patcher on the host: the module's very source files, compiled against a small
//! stand-in for the kernel's crate. What `fuzz`, `coverage` and `mutants` of the Makefile run.
//!
//! - `model`: a naive implementation of the engine,
//! - `case`: programs and edits made of bytes, mostly valid,
//! - `host`: a program with its slices, as `view.rs` has it in the kernel,
//! - `check`: a case done by engine and model, and compared,
//! - `proof`: cases with what the engine makes of them, for the model of `proof/`,
//! - `bench`: how long each step takes.

// Parts of it are for callers that are not here.
#[allow(dead_code)]
#[path = "../../../rust/engine/mod.rs"]
mod engine;

mod bench;
mod case;
mod check;
mod host;
mod model;
mod proof;
mod random;

pub use bench::{measure, Steps};
pub use check::{check, Tally};
pub use proof::line as proof_line;
pub use random::bytes as random_bytes;

#[cfg(test)]
mod cases;
// The engine's KUnit suites. Parts of the harness are for the suites that are not here.
#[allow(dead_code)]
#[cfg(test)]
#[path = "../../../rust/tests/engine/mod.rs"]
mod kunit;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod units;
// Its callers are not here.
#[allow(dead_code)]
#[cfg(test)]
mod verify;
