// SPDX-License-Identifier: GPL-2.0

//! The families.

use std::io;

use super::program::Program;
use super::{growing, jited, loops, policy, shrinking};

/// Programs that differ in the number of their edits.
pub struct Family {
    pub name: &'static str,
    pub what: &'static str,
    /// Numbers that are measured when the user does not say; none if it has to be named with a number.
    pub n: &'static [usize],
    /// The largest number that the verifier takes.
    pub most: usize,
    /// The largest number for mode stock when the user does not say.
    pub stock_max: usize,
    pub needs_jit: bool,
    /// From this number on, jumps do not fit: that mode stock refuses the program is no failure.
    pub too_far: usize,
    pub make: fn(usize) -> io::Result<Program>,
}

/// Programs of one insn an edit can have so many; the verifier goes through a million.
const MOST: usize = 999_000;
const STEPS: &[usize] = &[1_000, 5_000, 45_000, 195_000, MOST];
const STEPS_OF_THREE: &[usize] = &[1_000, 5_000, 45_000, 195_000, MOST / 3];

/// What most families have in common.
const PLAIN: Family = Family {
    name: "context",
    what: "loads of a context word, three insns each",
    n: STEPS,
    most: MOST,
    stock_max: 5_000,
    needs_jit: false,
    too_far: usize::MAX,
    make: growing::context,
};

/// In the order in which they are loaded.
pub const FAMILIES: [Family; 17] = [
    PLAIN,
    Family {
        name: "divmod",
        what: "divisions and remainders by a register",
        make: growing::divmod,
        ..PLAIN
    },
    Family {
        name: "ld_abs",
        what: "classic loads from the packet",
        make: growing::packet,
        ..PLAIN
    },
    Family {
        name: "jiffies",
        what: "calls of bpf_jiffies64, which are inlined",
        needs_jit: true,
        make: growing::jiffies,
        ..PLAIN
    },
    Family {
        name: "may_goto",
        what: "may_gotos that stay",
        n: STEPS_OF_THREE,
        most: MOST / 3,
        make: loops::may_gotos,
        ..PLAIN
    },
    Family {
        name: "bpf_loop",
        what: "calls of bpf_loop, which are inlined",
        n: &[1_000, 5_000, 8_000],
        // Each leaves a state for later, and 8 192 are allowed.
        most: 8_000,
        needs_jit: true,
        make: loops::bpf_loops,
        ..PLAIN
    },
    Family {
        name: "dead_code",
        what: "dead insns, each with a jump over it",
        n: STEPS_OF_THREE,
        most: MOST / 3,
        make: shrinking::dead_code,
        ..PLAIN
    },
    Family {
        name: "nops",
        what: "jumps to the next insn",
        n: &[1_000, 5_000, 45_000, 131_072],
        most: MOST / 2,
        make: shrinking::nops,
        ..PLAIN
    },
    Family {
        name: "blinding",
        what: "constants, blinded; the twin is not",
        needs_jit: true,
        make: jited::blinding,
        ..PLAIN
    },
    Family {
        name: "insn_array",
        what: "context loads, with an insn array of an entry for each",
        needs_jit: true,
        make: jited::insn_array,
        ..PLAIN
    },
    Family {
        name: "zext",
        what: "32-bit insns with a random upper half (BPF_F_TEST_RND_HI32)",
        make: growing::upper_half,
        ..PLAIN
    },
    Family {
        name: "far_jumps",
        what: "context loads in a loop of two rounds, with jumps over 30 000 of them",
        n: &[30_000, 195_000, 490_000],
        most: 490_000,
        // It refuses them.
        stock_max: 0,
        make: loops::far_jumps,
        ..PLAIN
    },
    Family {
        name: "rounds",
        what: "the same without these jumps",
        n: &[30_000, 195_000, 490_000],
        most: 490_000,
        stock_max: 0,
        make: loops::rounds,
        ..PLAIN
    },
    Family {
        name: "policy",
        what: "a firewall of N rules in XDP, blinded; the twin is not",
        n: &[100, 1_000, 10_000],
        // States, as above.
        most: 10_000,
        stock_max: 1_000,
        needs_jit: true,
        make: policy::policy,
        ..PLAIN
    },
    Family {
        name: "policy_direct",
        what: "the same with verdicts that rules share, of 10 000 rules too far away; the twin is not blinded",
        n: &[100, 1_000, 10_000],
        most: 10_000,
        stock_max: 1_000,
        needs_jit: true,
        too_far: 10_000,
        make: policy::policy_direct,
    },
    Family {
        name: "nops_in_a_row",
        what: "jumps to the next insn, one behind the other",
        n: &[],
        make: shrinking::nops_in_a_row,
        ..PLAIN
    },
    Family {
        name: "nops_in_front",
        what: "the same in front of 8 000 pairs of may_goto, each of which makes the pass look back",
        n: &[],
        make: shrinking::nops_in_front,
        ..PLAIN
    },
];
