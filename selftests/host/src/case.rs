// SPDX-License-Identifier: GPL-2.0

//! Cases made of bytes: a program, then edits for the program as it stands. Most are valid; small
//! changes of the bytes make small changes of the case. Bytes that are missing are 0.

mod edits;
mod program;

pub(crate) use edits::session;
pub(crate) use program::program;

/// Where a case is read from.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Less than `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let wide = if n > 0x100 { self.byte() } else { 0 };
        (u32::from(wide) << 8 | u32::from(self.byte())) % n
    }
}
