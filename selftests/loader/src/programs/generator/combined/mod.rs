// SPDX-License-Identifier: GPL-2.0

//! Programs that combine all that is rewritten, and that can be run: loops by callbacks, dead code behind
//! jumps in both directions, barriers, prologues, may_goto, indirect jumps, tail calls and functions. Most
//! are short. In a long one what is between some jumps and their targets is as long as 16 bits reach, as it
//! is written or as it is rewritten.
//!
//! What a program leaves behind depends on all that it did, and neither on addresses, nor on what helpers
//! return, nor on where the verifier puts its insns. Every way through it changes a hash.

mod function;
mod padding;

use std::collections::BTreeMap;

use crate::bpf::insn::{Insn, JA, MAY_GOTO};
use crate::bpf::skb::{CB, IFINDEX, MARK, PRIORITY, SIZE};
use crate::bpf::VALUE;
use crate::interpreter::{Context, Input};
use crate::programs::generator::asm::{link, Linked};
use crate::programs::generator::rng::Rng;
use function::{Body, Role, Written};

/// As far as a jump has to lead for being called far, in insns as they are written.
const FAR: i16 = 20_000;
/// Words of the context that programs read and write.
const WORDS: [i16; 7] = [MARK, PRIORITY, CB, CB + 4, CB + 8, CB + 12, CB + 16];
/// The interface that a program is run on, loopback.
const LOOPBACK: u32 = 1;
/// Keys that tail calls may have. The program of [`tail`] is at those that are multiples of 4.
pub const TAILS: u32 = 8;
/// Maps by their numbers: the one of a value, that of programs; from [`FIRST_TABLE`] on insn arrays.
pub const VALUES: i32 = 0;
const FIRST_TABLE: i32 = 1;
pub const PROGRAMS: i32 = -1;

/// How often a program has what.
#[derive(Clone, Debug, Default)]
pub struct Ingredients(pub BTreeMap<&'static str, u64>);

impl Ingredients {
    pub fn add(&mut self, name: &'static str) {
        self.count(name, 1);
    }

    pub fn count(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }
}

/// What a program is like.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Loaded without CAP_PERFMON: the verifier guards against speculation.
    pub guarded: bool,
    /// Its constants are blinded.
    pub blinded: bool,
    pub long: bool,
    /// It writes to the packet, so that it gets a prologue.
    writes_packet: bool,
    has_tail_calls: bool,
    functions: usize,
    callbacks: usize,
    /// One more function is called by dead code alone.
    dead_function: bool,
}

impl Profile {
    /// One program of `long` is long.
    fn draw(rng: &mut Rng, long: usize) -> Self {
        let is_long = rng.below(long) == 0;
        // What the calls become makes jumps too far at once.
        let callbacks: &[usize] = if is_long { &[1, 2] } else { &[0, 1, 1, 1, 2] };
        Self {
            guarded: rng.percent(40),
            blinded: rng.percent(25),
            long: is_long,
            writes_packet: rng.percent(40),
            has_tail_calls: rng.percent(40),
            functions: rng.below(3),
            callbacks: rng.pick(callbacks),
            dead_function: rng.percent(20),
        }
    }

    /// Functions by their numbers: 0 is the program, callbacks come last, and in front of them what is dead.
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Main];
        roles.extend(vec![Role::Function; self.functions]);
        roles.extend(self.dead_function.then_some(Role::Dead));
        roles.extend(vec![Role::Callback; self.callbacks]);
        roles
    }
}

pub struct Program {
    pub profile: Profile,
    /// Maps are named by their numbers.
    pub insns: Vec<Insn>,
    /// Where its functions start.
    pub starts: Vec<usize>,
    /// Its insn arrays.
    pub tables: Vec<Vec<u32>>,
    pub ingredients: Ingredients,
}

/// What a program is run on.
pub struct Run {
    pub words: Vec<(i16, u32)>,
    pub packet: Vec<u8>,
    pub value: [u8; VALUE],
}

impl Run {
    /// As the kernel gets it.
    pub fn context(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        for &(off, word) in &self.words {
            bytes[off as usize..off as usize + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// As the interpreter gets it.
    pub fn input(&self, program: &Program) -> Input {
        let tails = (0..TAILS).map(|key| has_tail(key).then(tail));
        Input {
            context: Context::skb(&[&self.words[..], &[(IFINDEX, LOOPBACK)]].concat()),
            packet: self.packet.clone(),
            values: self.value.to_vec(),
            tables: program.tables.clone(),
            tails: tails.collect(),
            ..Input::default()
        }
    }
}

/// Does a tail call with this key find a program?
pub fn has_tail(key: u32) -> bool {
    key.is_multiple_of(4)
}

pub use function::tail;

impl Program {
    /// Program `number` of `seed`. One of `long` is long.
    pub fn new(seed: u64, number: u64, long: usize) -> Self {
        let mut rng = Rng::new(seed, number);
        let profile = Profile::draw(&mut rng, long);
        let rng = &mut rng;
        let mut ingredients = Ingredients::default();
        let roles = profile.roles();
        // In a long program one of them is.
        let long = profile.long.then(|| match rng.below(roles.len() + 2) {
            at if at < roles.len() => at,
            _ => 0,
        });
        let mut tables = 0;
        let mut functions: Vec<Written> = Vec::new();
        for (number, &role) in roles.iter().enumerate() {
            let body = Body::new(rng, &profile, role, &mut ingredients, &mut tables);
            functions.push(body.write(&roles, long == Some(number)));
        }
        if let Some(at) = long {
            let span = linked(&functions).map(|linked| padding::span(&linked.insns));
            padding::write(rng, &mut functions[at], roles[at], span.unwrap_or(0));
        }
        let Linked {
            insns,
            starts,
            tables,
        } = linked(&functions).expect("jumps that have 16 bits reach what they lead to");
        let program = Self {
            profile,
            insns,
            starts,
            tables,
            ingredients,
        };
        program.described()
    }

    /// With what can be seen of the whole alone.
    fn described(mut self) -> Self {
        let Profile {
            guarded,
            blinded,
            long,
            ..
        } = self.profile;
        for (name, has) in [
            ("without_perfmon", guarded),
            ("blinded", blinded),
            ("long", long),
        ] {
            self.ingredients.count(name, has.into());
        }
        for insn in &self.insns {
            let jumps = insn.is_conditional() || insn.code == JA;
            if !jumps || insn.off.unsigned_abs() < FAR.unsigned_abs() {
                continue;
            }
            self.ingredients.add(match (insn.off > 0, insn.code) {
                (true, MAY_GOTO) => "far_may_goto_forward",
                (false, MAY_GOTO) => "far_may_goto_backward",
                (true, JA) => "far_ja_forward",
                (false, JA) => "far_ja_backward",
                (true, _) => "far_conditional_forward",
                (false, _) => "far_conditional_backward",
            });
        }
        self
    }

    /// So many runs of the program; the same for the same seed and number.
    pub fn runs(seed: u64, number: u64, count: usize) -> Vec<Run> {
        let mut rng = Rng::new(!seed, number);
        let mut run = || Run {
            words: WORDS.map(|off| (off, rng.next() as u32)).to_vec(),
            packet: (0..64 + rng.below(64)).map(|_| rng.next() as u8).collect(),
            value: std::array::from_fn(|_| rng.next() as u8),
        };
        (0..count).map(|_| run()).collect()
    }
}

/// The words of the context that a program may have changed.
pub fn words() -> impl Iterator<Item = i16> {
    WORDS.into_iter()
}

/// Puts the functions of a program together.
fn linked(functions: &[Written]) -> Result<Linked, crate::programs::generator::asm::TooFar> {
    let order: Vec<_> = functions
        .iter()
        .enumerate()
        .map(|(number, function)| (number, &function.code, function.order.clone()))
        .collect();
    link(&order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{holds, run_all};

    #[test]
    fn a_seed_repeats() {
        let insns = |number| Program::new(5, number, 50).insns;
        assert_eq!(insns(1), insns(1));
        assert_ne!(insns(1), insns(2));
    }

    #[test]
    fn programs_end() {
        for number in 0..400 {
            let program = Program::new(7, number, 50);
            for input in Program::runs(7, number, 3) {
                let result = run_all(
                    &program.insns,
                    &input.input(&program),
                    holds,
                    &mut |_, _| {},
                );
                assert!(result.is_ok(), "program {number}: {:?}", result.err());
            }
        }
    }

    #[test]
    fn long_programs_are_long() {
        let programs = (0..400).map(|number| Program::new(9, number, 50));
        let long: Vec<_> = programs.filter(|program| program.profile.long).collect();
        assert!(!long.is_empty());
        for program in long {
            assert!(program.insns.len() > 25_000);
        }
    }
}
