// SPDX-License-Identifier: GPL-2.0

//! Random programs as a source.

use std::io;

use super::generator::{Case, Generator};
use super::{Given, Origin, Source};
use crate::kernel::sysctl::Setting;
use crate::kernel::unpriv;

/// Ordinary users may load programs while it lives.
pub struct Random {
    _allowed: Setting,
    generator: Generator,
    seed: u64,
}

impl Random {
    /// # Errors
    ///
    /// The kernel does not let us have maps or type information.
    pub fn new(seed: u64) -> io::Result<Self> {
        Ok(Self {
            _allowed: unpriv::allow()?,
            generator: Generator::new()?,
            seed,
        })
    }

    /// Program `number`, with what is known about it.
    pub fn case(&mut self, number: u64) -> Case {
        self.generator.case(self.seed, number)
    }
}

impl Source for Random {
    fn size(&self) -> Option<usize> {
        None
    }

    fn program(&mut self, number: usize) -> Given {
        Given::new(Origin::Random, self.case(number as u64).spec)
    }
}
