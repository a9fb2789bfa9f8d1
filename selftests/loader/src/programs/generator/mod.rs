// SPDX-License-Identifier: GPL-2.0

//! Random programs that the verifier accepts, nearly all of them, and that use everything that is
//! rewritten. The same seed and number give the same program.

pub mod asm;
mod body;
pub mod combined;
pub mod far;
mod fields;
mod flow;
mod kinds;
mod leaf;
mod maps;
mod profile;
mod program;
mod regs;
pub mod rng;
mod state;

pub use program::{Case, Generator};
