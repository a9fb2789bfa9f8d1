// SPDX-License-Identifier: GPL-2.0

//! The KUnit suites, but for the one that calls the kernel's own functions.

#[path = "../../../rust/tests/errors.rs"]
mod errors;
// Some of it is for the suite that is not here.
#[allow(dead_code)]
#[path = "../../../rust/tests/harness.rs"]
mod harness;
#[path = "../../../rust/tests/insns.rs"]
mod insns;
#[path = "../../../rust/tests/meta.rs"]
mod meta;
#[path = "../../../rust/tests/refs.rs"]
mod refs;
#[path = "../../../rust/tests/removal.rs"]
mod removal;
