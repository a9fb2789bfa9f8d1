// SPDX-License-Identifier: GPL-2.0

//! KUnit suites.
//!
//! - `engine`: the engine alone, on small programs by hand. They also run on the host.
//! - `differential`: sessions checked against the kernel's own functions,
//! - `boundary`: what C sees,
//! - `hostile`: callers that break the rules; `callers.c` are such callers in C.

mod boundary;
mod differential;
mod engine;
mod hostile;
