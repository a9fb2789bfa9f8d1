// SPDX-License-Identifier: GPL-2.0

//! As much of the kernel's crate of this name as the engine uses. What the engine sees of the
//! kernel's types is the kernel's own: see `bindings`.

pub mod alloc;
pub mod bindings;
pub mod error;
pub mod ffi;
pub mod sync;
pub mod zeroable;

/// What the kernel's prelude has.
pub mod prelude {
    pub use crate::{
        alloc::{flags::*, AllocError, KBox, KVVec, KVec},
        error::{code::*, Error, Result},
        zeroable::Zeroable,
    };
    pub use macros::kunit_tests;
}
