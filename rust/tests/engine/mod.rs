// SPDX-License-Identifier: GPL-2.0

//! Suites of the engine: small programs, each insn with a unique `imm` or register where that says
//! nothing about another insn, so that what a reference reaches can be told.

mod errors;
pub(crate) mod harness;
mod insns;
mod load;
mod log;
mod meta;
mod reach;
mod refs;
mod relax;
mod removal;
