// SPDX-License-Identifier: GPL-2.0

//! Programs of long jumps. Each jump fits its 16 bits as it is written. What it leads over grows when the
//! program is rewritten, so that the jump comes to be just within 16 bits, just outside, or far outside.
//!
//! The verifier goes through each insn about once: where ways meet, it keeps a state (see
//! [`body::Body::land`]), and any other way comes there with the same registers. Loops go round two or
//! three times.
//!
//! A program returns a hash of the way that it took. What is compared comes from the context, which
//! `BPF_PROG_TEST_RUN` sets, so that the verifier cannot know how a comparison ends.

mod body;
mod branches;
mod function;
mod inputs;
mod kinds;
mod length;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use crate::bpf::insn::Insn;
use crate::bpf::skb::{IFINDEX, LEN, SIZE};
use crate::interpreter::{Context, Input};
use crate::programs::generator::asm::link;
use crate::programs::generator::rng::Rng;
use function::Plan;

pub use kinds::{Flavour, Kind};
pub use length::Rewriting;

/// Registers with a purpose.
const RESULT: u8 = 0;
const RIGHT: u8 = 4;
const CONTEXT: u8 = 6;
const HASH: u8 = 7;
const LEFT: u8 = 8;
const COUNT: u8 = 9;

/// The interface that a program is run on unless it is told another one: loopback.
const LOOPBACK: u32 = 1;
/// Bytes of the packets.
const PACKET: usize = 64;
/// As far as a jump has to lead for being called long, in rewritten insns.
const LONG: i64 = 20_000;

/// A program, and what is known about it.
pub struct Program {
    pub insns: Vec<Insn>,
    /// How far each long jump leads in the rewritten program, and what it is, by its index as written.
    pub longs: BTreeMap<usize, (Kind, i64)>,
    /// Insns of the rewritten program, if no far jump is made. None if that is not known.
    pub rewritten: Option<usize>,
    /// Insns that are never reached, by their indices.
    pub dead: BTreeSet<usize>,
    compares: Vec<kinds::Compare>,
}

/// What a program is run on, as the kernel gets it, and as the interpreter does.
pub struct Run {
    /// Words of `struct __sk_buff` by their offsets.
    pub words: Vec<(i16, u32)>,
    pub packet: Vec<u8>,
}

impl Run {
    /// The context as bytes.
    pub fn context(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        for &(off, value) in &self.words {
            let off = off as usize;
            bytes[off..off + 4].copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    }

    /// With what the kernel adds.
    pub fn input(&self) -> Input {
        let mut words = self.words.clone();
        words.extend([(LEN, self.packet.len() as u32), (IFINDEX, LOOPBACK)]);
        Input {
            context: Context::skb(&words),
            packet: self.packet.clone(),
            ..Input::default()
        }
    }
}

impl Program {
    /// The program of a seed and a number, for what the kernel does to it. With few edits it has more
    /// insns: for code that takes long for an edit.
    pub fn new(seed: u64, number: u64, how: Rewriting, few_edits: bool) -> Self {
        Self::drawn(seed, number, how, |rng| plan::draw(rng, how, few_edits))
    }

    /// The same, with static branches. Most of these programs are short, and few of the jumps long.
    pub fn of_branches(seed: u64, number: u64, how: Rewriting) -> Self {
        Self::drawn(seed, number, how, |rng| branches::draw(rng, how))
    }

    fn drawn(seed: u64, number: u64, how: Rewriting, plan: impl Fn(&mut Rng) -> Vec<Plan>) -> Self {
        let mut rng = Rng::new(seed, number);
        loop {
            let plans = plan(&mut rng);
            // A jump that does not fit as it is written is rare.
            if let Some(program) = Self::written(&mut rng, how, &plans) {
                return program;
            }
        }
    }

    fn written(rng: &mut Rng, how: Rewriting, plans: &[Plan]) -> Option<Self> {
        let write = |plan| function::write(rng, how, plan);
        let functions: Vec<_> = plans.iter().map(write).collect();
        let order = functions.iter().enumerate();
        let order: Vec<_> = order
            .map(|(at, function)| (at, &function.code, vec![0]))
            .collect();
        let linked = link(&order).ok()?;
        let starts = functions.iter().zip(&linked.starts);
        let dead = starts
            .flat_map(|(function, start)| function.dead.iter().map(move |at| start + at))
            .collect();
        let insns = linked.insns;
        let places = how.places(&insns);
        let ends = linked.starts.iter().skip(1).copied();
        let ends = ends.chain([insns.len()]);
        let bodies = linked.starts.iter().zip(ends);
        let slots: usize = bodies
            .map(|(&start, end)| how.slots(&insns[start..end]))
            .sum();
        Some(Self {
            longs: longs(&insns, &places, how),
            rewritten: plans
                .iter()
                .all(|plan| plan.extras.is_empty())
                .then_some(places[insns.len()] + slots),
            insns,
            dead,
            compares: functions
                .into_iter()
                .flat_map(|function| function.compares)
                .collect(),
        })
    }

    /// Jumps that do not fit once the program is rewritten.
    pub fn too_far(&self) -> usize {
        self.longs.keys().filter(|&&at| self.is_too_far(at)).count()
    }

    /// Does a jump not fit once the program is rewritten?
    pub fn is_too_far(&self, at: usize) -> bool {
        let long = self.longs.get(&at);
        long.is_some_and(|&(kind, distance)| !kind.is_wide() && length::is_far(distance))
    }

    /// Its static branches, by the indices of their insns.
    pub fn branches(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.insns.len()).filter(|&at| self.insns[at].is_static_branch())
    }

    /// So many runs of the program; the same for the same seed and number.
    pub fn runs(&self, seed: u64, number: u64, count: usize) -> Vec<Run> {
        let mut rng = Rng::new(!seed, number);
        let values = inputs::draw(&mut rng, &self.compares, count);
        let run = |values: inputs::Values| {
            let words = kinds::PAIRS.iter().zip(values);
            let words = words.flat_map(|(pair, value)| {
                [(pair.high, (value >> 32) as u32), (pair.low, value as u32)]
            });
            Run {
                words: words.collect(),
                packet: vec![0; PACKET + rng.below(PACKET)],
            }
        };
        values.into_iter().map(run).collect()
    }
}

/// Long jumps, and how far they lead in the rewritten program.
fn longs(insns: &[Insn], places: &[usize], how: Rewriting) -> BTreeMap<usize, (Kind, i64)> {
    let long = |at: usize| {
        let to = length::target(insns, at)?;
        let behind = places[at] + how.behind_jump(insns[at]);
        let distance = places[to] as i64 - behind as i64;
        (distance.abs() >= LONG).then_some((at, (Kind::of(insns[at]), distance)))
    };
    (0..insns.len()).filter_map(long).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::interpreter::{holds, run};

    const INTERPRETED: Rewriting = Rewriting {
        jit: false,
        blinded: false,
    };
    const BLINDED: Rewriting = Rewriting {
        jit: true,
        blinded: true,
    };

    #[test]
    fn a_seed_repeats() {
        let insns = |number, how| Program::new(5, number, how, false).insns;
        assert_eq!(insns(1, BLINDED), insns(1, BLINDED));
        assert_ne!(insns(1, BLINDED), insns(2, BLINDED));
    }

    /// Programs end, and their jumps go both ways.
    #[test]
    fn every_kind_of_jump() {
        let (mut taken, mut passed) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..160u64 {
            let how = if number.is_multiple_of(2) {
                INTERPRETED
            } else {
                BLINDED
            };
            let program = Program::new(7, number, how, false);
            for input in program.runs(7, number, 6) {
                let seen = |at, is_taken| {
                    if let Some(&(kind, _)) = program.longs.get(&at) {
                        let ways = if is_taken { &mut taken } else { &mut passed };
                        ways.insert(kind);
                    }
                };
                let result = run(&program.insns, &input.input(), holds, seen);
                assert!(result.is_ok(), "program {number}: {result:?}");
            }
        }
        for kind in Kind::conditional() {
            assert!(taken.contains(&kind), "{} is never taken", kind.name());
            assert!(passed.contains(&kind), "{} is always taken", kind.name());
        }
    }

    /// Static branches of each flavour go both ways, some of each kind are dead or lead to the next insn, and
    /// some narrow ones too far.
    #[test]
    fn static_branches() {
        let (mut taken, mut passed) = (BTreeSet::new(), BTreeSet::new());
        let (mut dead, mut next, mut far) = (BTreeSet::new(), BTreeSet::new(), 0);
        for number in 0..120u64 {
            let program = Program::of_branches(7, number, BLINDED);
            assert_eq!(
                program.insns,
                Program::of_branches(7, number, BLINDED).insns
            );
            for at in program.branches() {
                let flavour = Flavour::of(program.insns[at]);
                if program.dead.contains(&at) {
                    dead.insert(flavour);
                }
                if length::target(&program.insns, at) == Some(at + 1) {
                    next.insert(flavour);
                }
                far += usize::from(program.is_too_far(at));
            }
            for input in program.runs(7, number, 2) {
                for on in [false, true] {
                    let mut input = input.input();
                    if on {
                        input.switched = program.branches().collect();
                    }
                    let seen = |at: usize, is_taken| {
                        assert!(!program.dead.contains(&at), "program {number}: insn {at}");
                        if program.insns[at].is_static_branch() {
                            let ways = if is_taken { &mut taken } else { &mut passed };
                            ways.insert((Flavour::of(program.insns[at]), on));
                        }
                    };
                    let result = run(&program.insns, &input, holds, seen);
                    assert!(result.is_ok(), "program {number}: {result:?}");
                }
            }
        }
        assert_eq!((taken.len(), passed.len()), (4, 4));
        assert_eq!((dead.len(), next.len()), (4, 4));
        assert!(far > 0);
    }

    /// A long jump: how far it leads, and where it is and leads to, of how many insns.
    struct Jump {
        kind: Kind,
        distance: i64,
        at: usize,
        target: usize,
        len: usize,
    }

    fn jumps(number: u64) -> Vec<Jump> {
        let how = if number.is_multiple_of(2) {
            INTERPRETED
        } else {
            BLINDED
        };
        let program = Program::new(9, number, how, false);
        let insns = program.insns;
        let jump = |(&at, &(kind, distance)): (&usize, &(Kind, i64))| Jump {
            kind,
            distance,
            at,
            target: length::target(&insns, at).unwrap(),
            len: insns.len(),
        };
        program.longs.iter().map(jump).collect()
    }

    #[test]
    fn around_the_limits() {
        let jumps: Vec<_> = (0..400).flat_map(jumps).collect();
        let has = |is: &dyn Fn(&Jump) -> bool| jumps.iter().any(is);
        for distance in [32_766, 32_767, 32_768, 32_769, -32_767, -32_768, -32_769] {
            assert!(has(&|jump| jump.distance == distance), "{distance}");
        }
        assert!(has(&|jump| jump.distance > 50_000));
        for kind in [Kind::Ja, Kind::Gotol, Kind::MayGoto] {
            for sign in [-1, 1] {
                let is = |jump: &Jump| jump.kind == kind && jump.distance.signum() == sign;
                assert!(has(&is), "{kind:?} {sign}");
            }
        }
        // From and to the first insn of a program, and from and to its last one.
        assert!(has(&|jump| jump.at == 0 && jump.kind != Kind::Gotol));
        assert!(has(&|jump| jump.at == jump.len - 1 && jump.kind == Kind::Ja));
        assert!(has(&|jump| jump.target == jump.len - 1));
    }

    #[test]
    fn few_edits_are_few() {
        for number in 0..10 {
            let program = Program::new(3, number, INTERPRETED, true);
            let grown = program.rewritten.unwrap() - program.insns.len();
            assert!(grown < 6_000, "program {number}: {grown}");
        }
    }
}
