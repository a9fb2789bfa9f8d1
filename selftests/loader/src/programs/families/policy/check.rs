// SPDX-License-Identifier: GPL-2.0

//! Whether a loaded policy decides as its rules say.

use std::io;
use std::os::fd::BorrowedFd;

use super::rule::{decision, packets, Packet, Rule};
use super::SEED;
use crate::bpf::test_run_on;
use crate::programs::generator::rng::Rng;

/// Packets that a policy is run on.
const PACKETS: usize = 400;

/// The packets that a policy is checked with: the same each time.
pub fn packets_of(rules: &[Rule]) -> Vec<Packet> {
    packets(&mut Rng::new(SEED, 1), rules, PACKETS)
}

/// What a policy has to decide.
pub struct Check(Vec<(Packet, i32)>);

impl Check {
    pub fn new(rules: Vec<Rule>) -> Self {
        let decided = |packet: Packet| {
            let verdict = decision(&rules, &packet);
            (packet, verdict)
        };
        Self(packets_of(&rules).into_iter().map(decided).collect())
    }

    /// Expects the opposite for one packet, for testing the test.
    pub fn plant(&mut self) {
        let (_, verdict) = &mut self.0[PACKETS / 2];
        *verdict = super::DROP + super::PASS - *verdict;
    }

    /// Runs the program on each packet: the number of packets, or the first that is not as it should be.
    ///
    /// # Errors
    ///
    /// The kernel does not run the program.
    pub fn run(&self, prog: BorrowedFd<'_>) -> io::Result<Result<usize, String>> {
        for (packet, expected) in &self.0 {
            let decided = test_run_on(prog, &packet.bytes(), &[])? as i32;
            if decided != *expected {
                return Ok(Err(format!("{decided}, not {expected}, for {packet:x?}")));
            }
        }
        Ok(Ok(self.0.len()))
    }
}
