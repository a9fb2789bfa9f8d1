// SPDX-License-Identifier: GPL-2.0

//! Arrays whose growth may fail: rust/kernel/alloc/kvec.rs. They grow as the kernel's do, and one
//! can have an allocation fail.

mod fail;
mod kbox;
mod vec;

pub use fail::{fail_nth, failed};
pub use kbox::KBox;
pub use vec::{PushError, Vec};

/// No memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

/// `gfp_t`, which says nothing here.
#[derive(Clone, Copy)]
pub struct Flags;

pub mod flags {
    use super::Flags;

    pub const GFP_KERNEL: Flags = Flags;
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags;
}

pub type KVec<T> = Vec<T>;
pub type KVVec<T> = Vec<T>;
