// SPDX-License-Identifier: GPL-2.0

//! One value on the heap: rust/kernel/alloc/kbox.rs.

use super::{fail::attempt, AllocError, Flags};
use core::ops::{Deref, DerefMut};
use std::boxed::Box;

pub struct KBox<T>(Box<T>);

impl<T> KBox<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        attempt()?;
        Ok(Self(Box::new(value)))
    }

    pub fn into_raw(this: Self) -> *mut T {
        Box::into_raw(this.0)
    }

    /// # Safety
    ///
    /// `raw` is what [`Self::into_raw`] returned, and nothing else owns it.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: The caller's promise.
        Self(unsafe { Box::from_raw(raw) })
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
