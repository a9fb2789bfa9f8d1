// SPDX-License-Identifier: GPL-2.0

//! Programs for every pass: of each family, by hand, real ones, and then random ones.

use std::io;
use std::path::Path;

use crate::bpf::object::{files, Object};
use crate::bpf::Spec;
use crate::generator::Generator;
use crate::suites::{families, handmade};

/// Edits of the programs of each family: a few, more than a session has room for, and more than that
/// of the next.
const EDITS: [usize; 3] = [8, 100, 1_000];

/// Programs, and what they refer to.
pub struct Programs {
    specs: Vec<Spec>,
    _maps: handmade::Maps,
    _families: Vec<families::Program>,
    _objects: Vec<Object>,
    generator: Generator,
    seed: u64,
}

impl Programs {
    /// # Errors
    ///
    /// No objects, or what the kernel says about a map.
    pub fn new(dir: &Path, seed: u64) -> io::Result<Self> {
        let maps = handmade::Maps::create()?;
        let mut of_families = Vec::new();
        for n in EDITS {
            of_families.extend(families::without_jit(n)?);
        }
        let mut specs: Vec<Spec> = of_families
            .iter()
            .map(|family| family.spec.clone())
            .collect();
        specs.extend(handmade::all(&maps));
        let objects = files(dir)?
            .iter()
            .map(|path| Object::prepare(path))
            .collect::<io::Result<Vec<_>>>()?;
        specs.extend(objects.iter().flat_map(Object::programs));
        Ok(Self {
            specs,
            _maps: maps,
            _families: of_families,
            _objects: objects,
            generator: Generator::new()?,
            seed,
        })
    }

    /// Program `number`, of which there is no end.
    pub fn get(&mut self, number: usize) -> Spec {
        match number.checked_sub(self.specs.len()) {
            None => self.specs[number].clone(),
            Some(random) => self.generator.case(self.seed, random as u64).spec,
        }
    }
}
