// SPDX-License-Identifier: GPL-2.0

//! What judges a whole load, in the module's very source files.

#[path = "../../../rust/verify/decode.rs"]
pub(crate) mod decode;
#[path = "../../../rust/verify/load/mod.rs"]
pub(crate) mod load;
