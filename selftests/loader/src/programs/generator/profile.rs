// SPDX-License-Identifier: GPL-2.0

//! What a random program is made of: each has its own mixture, so that some consist of little but
//! divisions, and others have none.

use crate::programs::generator::kinds::Kind;
use crate::programs::generator::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    Alu,
    Divide,
    Load,
    Store,
    Stack,
    Spill,
    Lookup,
    MapValue,
    Packet,
    LdAbs,
    Helper,
    TailCall,
    Confuse,
    Nops,
    Dead,
    If,
    Forward,
    Exit,
    Loop,
    MayGoto,
    Call,
    Callback,
    Segment,
}

/// Every statement with its usual weight.
const STATEMENTS: [(Statement, u32); 23] = [
    (Statement::Alu, 24),
    (Statement::Divide, 10),
    (Statement::Load, 24),
    (Statement::Store, 10),
    (Statement::Stack, 8),
    (Statement::Spill, 3),
    (Statement::Lookup, 3),
    (Statement::MapValue, 6),
    (Statement::Packet, 5),
    (Statement::LdAbs, 5),
    (Statement::Helper, 3),
    (Statement::TailCall, 2),
    (Statement::Confuse, 8),
    (Statement::Nops, 6),
    (Statement::Dead, 8),
    (Statement::If, 8),
    (Statement::Forward, 8),
    (Statement::Exit, 4),
    (Statement::Loop, 3),
    (Statement::MayGoto, 4),
    (Statement::Call, 10),
    (Statement::Callback, 8),
    (Statement::Segment, 4),
];

impl Statement {
    /// May paths fork here?
    pub fn branches(self) -> bool {
        matches!(
            self,
            Statement::If
                | Statement::Forward
                | Statement::Exit
                | Statement::Loop
                | Statement::MayGoto
                | Statement::Lookup
                | Statement::Packet
                | Statement::Nops
                | Statement::Dead
                | Statement::Confuse
        )
    }
}

pub struct Profile {
    weights: [u32; STATEMENTS.len()],
    pub unprivileged: bool,
    /// So long that only few instructions may be rewritten, or stock takes seconds.
    pub large: bool,
    /// Percentage of statements that are plain arithmetic whatever the weights say.
    plain: u32,
    /// Functions besides the program itself.
    pub functions: usize,
    pub callbacks: bool,
    /// With func info and line info.
    pub btf: bool,
    /// Instructions, about.
    pub len: usize,
}

impl Profile {
    pub fn new(rng: &mut Rng, kind: &Kind) -> Self {
        let unprivileged = kind.unprivileged && rng.percent(60);
        let len = length(rng, unprivileged);
        let large = len > 1_000;
        let functions = if unprivileged || len < 10 || rng.percent(35) {
            0
        } else {
            rng.range(1, 10) as usize
        };
        let btf = !unprivileged && rng.percent(50);
        let callbacks = functions > 0 && btf && rng.percent(16);
        let tail_calls = functions == 0;

        let weights = STATEMENTS.map(|(statement, weight)| {
            let allowed = match statement {
                Statement::Confuse => unprivileged,
                Statement::Loop | Statement::MayGoto => !unprivileged,
                Statement::Call => functions > 0,
                Statement::Callback => callbacks,
                Statement::TailCall => tail_calls,
                Statement::LdAbs => kind.ld_abs,
                Statement::Packet => kind.packet.is_some() && !unprivileged,
                Statement::Segment => !large,
                _ => true,
            };
            let factor = rng.pick(&[0, 1, 1, 2, 4]);
            if allowed {
                weight * factor
            } else {
                0
            }
        });
        // One in a few is rewritten throughout all the same.
        let plain = if large && (len > 20_000 || rng.percent(85)) {
            100 - (30_000 / len as u32).clamp(1, 30)
        } else {
            0
        };
        Self {
            weights,
            unprivileged,
            large,
            plain,
            functions,
            callbacks,
            btf,
            len,
        }
    }

    pub fn pick(&self, rng: &mut Rng) -> Statement {
        if rng.percent(self.plain) || self.weights.iter().all(|&weight| weight == 0) {
            return Statement::Alu;
        }
        STATEMENTS[rng.weighted(&self.weights)].0
    }
}

fn length(rng: &mut Rng, unprivileged: bool) -> usize {
    if unprivileged {
        return rng.range(5, 200) as usize;
    }
    match rng.below(2_000) {
        0..=3 => rng.range(33_000, 50_000) as usize,
        4..=23 => rng.range(2_000, 20_000) as usize,
        // As many of 5 to 10 as of 200 to 400.
        _ => {
            let bits = rng.below(640) as f64 / 100.0;
            (5.0 * bits.exp2()) as usize
        }
    }
}
