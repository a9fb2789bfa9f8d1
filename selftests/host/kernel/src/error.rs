// SPDX-License-Identifier: GPL-2.0

//! Error numbers: rust/kernel/error.rs.

use crate::{
    alloc::{AllocError, PushError},
    bindings,
    ffi::c_int,
};
use core::num::TryFromIntError;

/// A negated errno.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(c_int);

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

pub mod code {
    use super::{bindings, Error};

    macro_rules! codes {
        ($($name:ident),* $(,)?) => {
            $(pub const $name: Error = Error(-(bindings::$name as i32));)*
        };
    }

    codes!(E2BIG, EINTR, EINVAL, ENOMEM, ERANGE);
}

impl Error {
    pub fn to_errno(self) -> c_int {
        self.0
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl<T> From<PushError<T>> for Error {
    fn from(_: PushError<T>) -> Self {
        code::EINVAL
    }
}

impl From<TryFromIntError> for Error {
    fn from(_: TryFromIntError) -> Self {
        code::EINVAL
    }
}
