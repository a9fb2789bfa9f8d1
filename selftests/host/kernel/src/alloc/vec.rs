// SPDX-License-Identifier: GPL-2.0

//! The array itself.

use super::{fail::attempt, AllocError, Flags};
use crate::zeroable::Zeroable;
use core::ops::{Deref, DerefMut};
use std::vec;

/// The array is full.
pub struct PushError<T>(pub T);

/// `Vec` of the kernel, over the one of the standard library.
#[derive(PartialEq, Eq, Debug)]
pub struct Vec<T>(vec::Vec<T>);

impl<T> Default for Vec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Vec<T> {
    pub const fn new() -> Self {
        Self(vec::Vec::new())
    }

    pub fn with_capacity(n: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut v = Self::new();
        v.reserve(n, flags)?;
        Ok(v)
    }

    pub fn zeroed(n: usize, flags: Flags) -> Result<Self, AllocError>
    where
        T: Zeroable,
    {
        let mut v = Self::with_capacity(n, flags)?;
        v.0.extend((0..n).map(|_| T::zeroed()));
        Ok(v)
    }

    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    #[inline]
    pub fn reserve(&mut self, additional: usize, _flags: Flags) -> Result<(), AllocError> {
        let (len, cap) = (self.len(), self.capacity());
        if cap - len >= additional {
            return Ok(());
        }
        self.grow(additional)
    }

    #[cold]
    fn grow(&mut self, additional: usize) -> Result<(), AllocError> {
        attempt()?;
        let (len, cap) = (self.len(), self.capacity());
        let new_cap = core::cmp::max(cap * 2, len.checked_add(additional).ok_or(AllocError)?);
        self.0
            .try_reserve_exact(new_cap - len)
            .map_err(|_| AllocError)
    }

    #[inline]
    pub fn push(&mut self, value: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.0.push(value);
        Ok(())
    }

    #[inline]
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.len() == self.capacity() {
            return Err(PushError(value));
        }
        self.0.push(value);
        Ok(())
    }

    #[inline]
    pub fn extend_from_slice(&mut self, values: &[T], flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.reserve(values.len(), flags)?;
        self.0.extend_from_slice(values);
        Ok(())
    }

    pub fn extend_with(&mut self, n: usize, value: T, flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.reserve(n, flags)?;
        self.0.extend(core::iter::repeat_n(value, n));
        Ok(())
    }

    pub fn resize(&mut self, new_len: usize, value: T, flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        match new_len.checked_sub(self.len()) {
            Some(n) => self.extend_with(n, value, flags),
            None => {
                self.truncate(new_len);
                Ok(())
            }
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T> Deref for Vec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Vec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for Vec<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Vec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Vec<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}
