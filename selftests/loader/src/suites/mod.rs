// SPDX-License-Identifier: GPL-2.0

//! The commands, a module each, and [`measure`], which most of them load programs by.

pub mod defects;
pub mod dump;
pub mod families;
mod handmade;
pub mod identity;
pub mod ladder;
pub mod limits;
mod measure;
pub mod programs;
pub mod random;
pub mod reload;
