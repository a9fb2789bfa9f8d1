// SPDX-License-Identifier: GPL-2.0

//! The bindings of the kernel's build, all of them.

#![allow(warnings, clippy::all)]

use crate::ffi;
use macros::MaybeZeroable;

// What bindgen leaves to rust/bindings/lib.rs of the kernel.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
