// SPDX-License-Identifier: GPL-2.0

//! The programs that checks load: where they come from, and what has to become of each.

pub mod edges;
pub mod families;
pub mod generator;
pub mod handmade;
pub mod long;
pub mod mixed;
pub mod objects;
mod random;
pub mod victims;

use std::any::Any;
use std::io;
use std::path::Path;

use crate::bpf::Spec;
use crate::kernel::mode::Mode;
pub use random::Random;

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A family, with so many edits.
    Family(usize),
    /// By hand; an ordinary user's.
    User,
    /// By hand; root's.
    Hand,
    /// The same, blinded.
    Blinded,
    /// Has a jump that is too far. Stock refuses it.
    Far,
    /// At the edge of what the kernel takes.
    Edge,
    /// Of an object of the loader's own.
    Own,
    /// Of another object. The kernel may lack what it needs, as a JIT.
    Object,
    /// The verifier may refuse it.
    Random,
}

impl Origin {
    /// May it be loaded in this mode?
    pub fn loads_in(self, mode: Mode) -> bool {
        self != Origin::Far || mode != Mode::Stock
    }

    pub fn may_be_refused(self) -> bool {
        matches!(self, Origin::Object | Origin::Random)
    }

    /// Has it been written so that it comes out at another length?
    pub fn is_rewritten(self) -> bool {
        matches!(self, Origin::Family(_) | Origin::User | Origin::Hand)
    }
}

/// A program.
#[derive(Clone)]
pub struct Given {
    pub spec: Spec,
    pub origin: Origin,
    /// Of which object.
    pub object: Option<String>,
    /// Stock refuses it with this errno.
    pub refused: Option<i32>,
}

impl Given {
    pub fn new(origin: Origin, spec: Spec) -> Self {
        Self {
            spec,
            origin,
            object: None,
            refused: None,
        }
    }
}

/// Programs of one origin, or of several.
pub trait Source {
    /// How many there are; None if there is no end.
    fn size(&self) -> Option<usize>;

    /// Program `number`.
    fn program(&mut self, number: usize) -> Given;
}

/// Programs that are made at once, and what they refer to.
pub struct Fixed {
    given: Vec<Given>,
    _keep: Vec<Box<dyn Any>>,
}

impl Fixed {
    fn new(given: Vec<Given>) -> Self {
        Self {
            given,
            _keep: Vec::new(),
        }
    }

    fn keeping(given: Vec<Given>, keep: impl Any) -> Self {
        Self {
            given,
            _keep: vec![Box::new(keep)],
        }
    }
}

impl Source for Fixed {
    fn size(&self) -> Option<usize> {
        Some(self.given.len())
    }

    fn program(&mut self, number: usize) -> Given {
        self.given[number].clone()
    }
}

/// A source, by its name.
pub struct Named {
    pub name: &'static str,
    pub what: &'static str,
    /// From the directory of objects, and the seed of random programs.
    open: fn(&Path, u64) -> io::Result<Box<dyn Source>>,
}

/// Context loads of the programs of source `context`: as many as take no time in mode stock.
const CONTEXT: [usize; 2] = [1_000, 5_000];

pub const SOURCES: [Named; 6] = [
    Named {
        name: "context",
        what: "loads of a context word",
        open: |_, _| {
            let given = CONTEXT.map(|n| Given::new(Origin::Family(n), families::context_loads(n)));
            Ok(Box::new(Fixed::new(given.to_vec())))
        },
    },
    Named {
        name: "handmade",
        what: "small programs, one or more for every pass that rewrites without a JIT",
        open: |_, _| Ok(Box::new(handmade::source()?)),
    },
    Named {
        name: "objects",
        what: "networking programs of the kernel's selftests, and small ones in C",
        open: |progs, _| Ok(Box::new(objects::source(progs)?)),
    },
    Named {
        name: "edges",
        what: "programs at the edge of what the kernel takes, just within it and just outside",
        open: |_, _| Ok(Box::new(edges::source()?)),
    },
    Named {
        name: "random",
        what: "random programs that use everything that is rewritten",
        open: |_, seed| Ok(Box::new(Random::new(seed)?)),
    },
    Named {
        name: "mixed",
        what: "some of families, by hand, with jumps that are too far, of objects, and random ones",
        open: |progs, seed| Ok(Box::new(mixed::Mixed::new(progs, seed)?)),
    },
];

impl Named {
    /// # Errors
    ///
    /// No objects, or what the kernel says about a map.
    pub fn open(&self, progs: &Path, seed: u64) -> io::Result<Box<dyn Source>> {
        (self.open)(progs, seed)
    }
}

/// The source of that name.
///
/// # Errors
///
/// There is none.
pub fn named(name: &str) -> io::Result<&'static Named> {
    let source = SOURCES.iter().find(|source| source.name == name);
    source.ok_or_else(|| io::Error::other(format!("there are no programs '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_objects_must_load() {
        use Origin::{Family, Far, Hand, Object, Own, Random, User};
        let may = |origins: &[Origin]| origins.iter().any(|origin| origin.may_be_refused());
        assert!(!may(&[Family(8), User, Hand, Far, Own]));
        assert!(Object.may_be_refused() && Random.may_be_refused());
        assert!(!Far.loads_in(Mode::Stock) && Far.loads_in(Mode::Verify));
    }
}
