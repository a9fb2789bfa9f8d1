// SPDX-License-Identifier: GPL-2.0

//! Programs for every pass: of each family, by hand, with jumps that are too far, real ones, and then random ones.
//! The first ones are some of families and by hand.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};

use super::edges;
use crate::bpf::object::{files, Object};
use crate::bpf::{self, Spec};
use crate::generator::Generator;
use crate::kernel::jit;
use crate::kernel::mode::Mode;
use crate::kernel::sysctl::Setting;
use crate::suites::{families, handmade, programs};

/// Edits of the programs of each family: a few, more than a session has room for, and more than that
/// of the next.
const EDITS: [usize; 3] = [8, 100, 520];
/// A real or random program that takes longer is left out: it is loaded over and over. All others are as long as
/// they are meant to be, whatever else the machine does.
const SLOW: Duration = Duration::from_millis(60);
/// Loads of it; the quickest counts.
const TRIES: usize = 3;
/// Of all programs, one of so many may be left out.
const LEFT_OUT: usize = 4;

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
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
    /// Of an object of the loader's own.
    Own,
    /// Of another object. The kernel may lack what it needs, as a JIT.
    Object,
    /// The verifier may refuse it.
    Random,
}

/// A program.
pub struct Given {
    pub spec: Spec,
    pub source: Source,
}

/// Programs, and what they refer to.
pub struct Programs {
    given: Vec<(Source, Spec)>,
    _maps: handmade::Maps,
    _families: Vec<families::Program>,
    _objects: Vec<(Source, Object)>,
    generator: Generator,
    seed: u64,
    _jit: Option<Setting>,
}

/// The first of each list, then the second of each, and so on.
fn in_turn<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(lists.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

impl Source {
    fn may_take(self, took: Duration) -> bool {
        took <= SLOW || !matches!(self, Source::Own | Source::Object | Source::Random)
    }

    /// May it be loaded in this mode?
    pub fn loads_in(self, mode: Mode) -> bool {
        self != Source::Far || mode != Mode::Stock
    }

    fn may_be_refused(self) -> bool {
        matches!(self, Source::Object | Source::Random)
    }
}

impl Programs {
    /// With a JIT, which compiles as long as they exist, those that need it too.
    ///
    /// # Errors
    ///
    /// No objects, or what the kernel says about a map.
    pub fn new(dir: &Path, seed: u64) -> io::Result<Self> {
        let maps = handmade::Maps::create()?;
        let mut objects = Vec::new();
        for path in files(dir)? {
            let source = match programs::is_own(&path) {
                true => Source::Own,
                false => Source::Object,
            };
            objects.push((source, Object::prepare(&path)?));
        }
        let (users, others): (Vec<_>, Vec<_>) = handmade::all(&maps)
            .into_iter()
            .partition(|spec| spec.unprivileged);
        let jit = jit::on()?;
        let blind = |spec: &Spec| Spec {
            harden: Some(2),
            ..spec.clone()
        };
        let blinded = match jit {
            Some(_) => others.iter().map(blind).collect(),
            None => Vec::new(),
        };
        let of = |source, specs: Vec<Spec>| specs.into_iter().map(|spec| (source, spec)).collect();
        let mut lists: Vec<Vec<_>> = vec![
            of(Source::User, users),
            of(Source::Hand, others),
            of(Source::Blinded, blinded),
        ];
        let mut of_families = Vec::new();
        // An emulated machine, which has a JIT, takes minutes for the longest ones in mode stock.
        let sizes = match jit {
            Some(_) => &EDITS[..2],
            None => &EDITS[..],
        };
        for &n in sizes {
            let family = families::all(n, jit.is_some())?;
            let specs = family.iter().map(|program| program.spec.clone()).collect();
            lists.push(of(Source::Family(n), specs));
            of_families.extend(family);
        }
        let mut given = in_turn(lists);
        given.extend(of(Source::Far, edges::too_far()));
        for (source, object) in &objects {
            given.extend(of(*source, object.programs()));
        }
        Ok(Self {
            given,
            _maps: maps,
            _families: of_families,
            _objects: objects,
            generator: Generator::new()?,
            seed,
            _jit: jit,
        })
    }

    /// The number of the first program of a source.
    pub fn first(&self, source: Source) -> usize {
        let is_of = |(its, _): &(Source, Spec)| *its == source;
        self.given
            .iter()
            .position(is_of)
            .unwrap_or(self.given.len())
    }

    /// Program `number`, of which there is no end.
    pub fn get(&mut self, number: usize) -> Given {
        let (source, spec) = match number.checked_sub(self.given.len()) {
            None => self.given[number].clone(),
            Some(random) => {
                let case = self.generator.case(self.seed, random as u64);
                (Source::Random, case.spec)
            }
        };
        Given { spec, source }
    }
}

/// How many programs there are of each source, and how many more were left out.
#[derive(Default)]
pub struct Kept(BTreeMap<Source, [usize; 2]>);

impl Kept {
    /// Loads a program. None if it is left out, as it is slow, or as it is one that may be refused and is.
    ///
    /// # Errors
    ///
    /// Another one is refused.
    pub fn load(&mut self, given: &Given) -> io::Result<Option<OwnedFd>> {
        let mut quick = None;
        for _ in 0..TRIES {
            match bpf::load(&given.spec) {
                Ok((prog, took)) if given.source.may_take(took) => {
                    quick = Some(prog);
                    break;
                }
                Ok(_) => {}
                Err(_) if given.source.may_be_refused() => break,
                Err(err) => return Err(io::Error::other(format!("{}: {err}", given.spec.name))),
            }
        }
        let left_out = usize::from(quick.is_none());
        self.0.entry(given.source).or_default()[left_out] += 1;
        Ok(quick)
    }

    fn sum(&self, left_out: bool) -> usize {
        self.0.values().map(|n| n[usize::from(left_out)]).sum()
    }

    /// Is any of this source among them?
    pub fn has(&self, source: Source) -> bool {
        self.of(source) > 0
    }

    fn of(&self, source: Source) -> usize {
        self.0.get(&source).map_or(0, |n| n[0])
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sum(false)
    }

    /// Is there one of each source that there was any of, and are few left out?
    pub fn is_enough(&self) -> bool {
        let left_out = self.sum(true);
        self.0.values().all(|[kept, _]| *kept > 0) && left_out * LEFT_OUT <= self.count() + left_out
    }

    pub fn json(&self) -> Value {
        let name = |source: &Source| format!("{source:?}").to_lowercase();
        json!({
            "programs": self.count(),
            "left_out": self.sum(true),
            "of_users": self.of(Source::User),
            "blinded": self.of(Source::Blinded),
            "sources": self.0.iter().map(|(source, n)| (name(source), n))
                .collect::<BTreeMap<_, _>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_turn() {
        assert_eq!(
            in_turn(vec![vec![1, 4, 6], vec![], vec![2], vec![3, 5]]),
            [1, 2, 3, 4, 5, 6]
        );
    }

    #[test]
    fn own_objects_must_load() {
        let must_load = |source: Source| !source.may_be_refused();
        assert!(
            [Source::Family(8), Source::User, Source::Hand, Source::Own].map(must_load)
                == [true; 4]
        );
        assert!(![Source::Object, Source::Random]
            .map(must_load)
            .contains(&true));
    }

    #[test]
    fn some_of_each_and_few_left_out() {
        let enough =
            |counts: &[(Source, [usize; 2])]| Kept(counts.iter().copied().collect()).is_enough();
        let (few, many) = (Source::Family(8), Source::Family(520));
        assert!(enough(&[(few, [3, 0]), (many, [3, 2])]));
        assert!(!enough(&[(few, [3, 0]), (many, [2, 2])]));
        assert!(!enough(&[(few, [9, 0]), (many, [0, 1])]));
    }
}
