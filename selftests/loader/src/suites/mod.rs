// SPDX-License-Identifier: GPL-2.0

//! The commands, a module each, and [`measure`], which most of them load programs by.

pub mod combined;
pub mod defects;
pub mod dump;
pub mod families;
pub mod far_jumps;
mod handmade;
pub mod identity;
pub mod ladder;
pub mod limits;
mod measure;
pub mod programs;
pub mod random;
pub mod reload;
pub mod static_branch;
pub mod trust;

use std::time::{SystemTime, UNIX_EPOCH};

/// A seed, when the user names none.
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
