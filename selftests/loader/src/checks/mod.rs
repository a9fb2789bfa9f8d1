// SPDX-License-Identifier: GPL-2.0

//! The commands, a module each, with its own arguments; and [`runner`], which all of them load programs by.

pub mod defects;
pub mod dump;
pub mod faults;
pub mod guards;
pub mod identical;
pub mod kills;
mod leaks;
pub mod measure;
pub mod resched;
pub mod run;
pub mod runner;
pub mod soak;
pub mod switch;
pub mod tries;
