// SPDX-License-Identifier: GPL-2.0

//! Programs for every pass: of each family, by hand, with jumps that are too far, real ones, and then random ones.
//! The first ones are some of families and by hand.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};

use super::{edges, families, handmade, objects, Fixed, Given, Origin, Random, Source};
use crate::bpf::{self, Spec};
use crate::kernel::jit;
use crate::kernel::sysctl::Setting;

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

fn may_take(origin: Origin, took: Duration) -> bool {
    took <= SLOW || !matches!(origin, Origin::Own | Origin::Object | Origin::Random)
}

/// Programs, and what they refer to.
pub struct Mixed {
    given: Vec<Given>,
    random: Random,
    _keep: (handmade::Maps, Vec<families::Program>, Fixed),
    jit: Option<Setting>,
}

impl Mixed {
    /// With a JIT, which compiles as long as they exist, those that need it too.
    ///
    /// # Errors
    ///
    /// No objects, or what the kernel says about a map.
    pub fn new(dir: &Path, seed: u64) -> io::Result<Self> {
        // Which lets ordinary users have maps.
        let random = Random::new(seed)?;
        let maps = handmade::Maps::create()?;
        let objects = objects::source(dir)?;
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
        let of = |origin, specs: Vec<Spec>| -> Vec<Given> {
            let specs = specs.into_iter();
            specs.map(|spec| Given::new(origin, spec)).collect()
        };
        let mut lists = vec![
            of(Origin::User, users),
            of(Origin::Hand, others),
            of(Origin::Blinded, blinded),
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
            lists.push(of(Origin::Family(n), specs));
            of_families.extend(family);
        }
        let mut given = in_turn(lists);
        given.extend(of(Origin::Far, edges::too_far()));
        given.extend(objects.given.iter().cloned());
        Ok(Self {
            given,
            random,
            _keep: (maps, of_families, objects),
            jit,
        })
    }

    /// Is there a JIT, so that programs are blinded?
    pub fn has_jit(&self) -> bool {
        self.jit.is_some()
    }

    /// The number of the first program of an origin.
    pub fn first(&self, origin: Origin) -> usize {
        let first = self.given.iter().position(|given| given.origin == origin);
        first.unwrap_or(self.given.len())
    }
}

impl Source for Mixed {
    fn size(&self) -> Option<usize> {
        None
    }

    fn program(&mut self, number: usize) -> Given {
        match number.checked_sub(self.given.len()) {
            None => self.given[number].clone(),
            Some(random) => self.random.program(random),
        }
    }
}

/// How many programs there are of each origin, and how many more were left out.
#[derive(Default)]
pub struct Kept(BTreeMap<Origin, [usize; 2]>);

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
                Ok((prog, took)) if may_take(given.origin, took) => {
                    quick = Some(prog);
                    break;
                }
                Ok(_) => {}
                Err(_) if given.origin.may_be_refused() => break,
                Err(err) => return Err(io::Error::other(format!("{}: {err}", given.spec.name))),
            }
        }
        let left_out = usize::from(quick.is_none());
        self.0.entry(given.origin).or_default()[left_out] += 1;
        Ok(quick)
    }

    fn sum(&self, left_out: bool) -> usize {
        self.0.values().map(|n| n[usize::from(left_out)]).sum()
    }

    /// Is any of this origin among them?
    pub fn has(&self, origin: Origin) -> bool {
        self.of(origin) > 0
    }

    pub fn of(&self, origin: Origin) -> usize {
        self.0.get(&origin).map_or(0, |n| n[0])
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sum(false)
    }

    /// Is there one of each origin that there was any of, and are few left out?
    pub fn is_enough(&self) -> bool {
        let left_out = self.sum(true);
        self.0.values().all(|[kept, _]| *kept > 0) && left_out * LEFT_OUT <= self.count() + left_out
    }

    pub fn json(&self) -> Value {
        let name = |origin: &Origin| format!("{origin:?}").to_lowercase();
        json!({
            "programs": self.count(),
            "left_out": self.sum(true),
            "of_users": self.of(Origin::User),
            "blinded": self.of(Origin::Blinded),
            "sources": self.0.iter().map(|(origin, n)| (name(origin), n))
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
    fn some_of_each_and_few_left_out() {
        let enough =
            |counts: &[(Origin, [usize; 2])]| Kept(counts.iter().copied().collect()).is_enough();
        let (few, many) = (Origin::Family(8), Origin::Family(520));
        assert!(enough(&[(few, [3, 0]), (many, [3, 2])]));
        assert!(!enough(&[(few, [3, 0]), (many, [2, 2])]));
        assert!(!enough(&[(few, [9, 0]), (many, [0, 1])]));
    }
}
