// SPDX-License-Identifier: GPL-2.0

//! What a process that is killed loads.

use std::io;

use clap::ValueEnum;

use super::{families, long};
use crate::bpf::Spec;
use crate::kernel::sysctl::Setting;

/// Nops, in pairs, as in the report that led to the kernel's commit 261b61d3735b.
const NOPS: usize = 2 * 131_072;
/// Insns of the program that is killed in mode patcher: long, so that linearize has jumps to look for.
const DIVISIONS: usize = 100_000;
/// Insns of the longest program that is killed, but for its end.
const LOADS: usize = 999_000;
/// Rules of the policy that is blinded.
const RULES: usize = 10_000;

/// What a process that is killed loads.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Victim {
    /// Insns that are removed one by one
    Nops,
    /// Insns that become ten each
    Divisions,
    /// As many loads of the context as a program may have
    Loads,
    /// Jumps that do not fit once what is between has grown
    Far,
    /// A firewall, blinded: needs a JIT
    Policy,
}

impl Victim {
    /// The last one needs a JIT.
    pub const ALL: [Self; 5] = [
        Victim::Nops,
        Victim::Divisions,
        Victim::Loads,
        Victim::Far,
        Victim::Policy,
    ];

    /// Its name as an argument.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("none is skipped");
        value.get_name().to_owned()
    }

    /// # Errors
    ///
    /// As for a family.
    pub fn spec(self) -> io::Result<Spec> {
        Ok(match self {
            Victim::Nops => long::nops(NOPS),
            Victim::Divisions => long::divisions(DIVISIONS),
            Victim::Loads => families::context_loads(LOADS),
            Victim::Far => long::far(),
            Victim::Policy => Spec {
                // A victim does not live to undo that: see `hardened`.
                harden: None,
                ..families::policy(RULES)?.spec
            },
        })
    }

    /// Has the constants of what it loads blinded while the setting exists, if it is for that.
    ///
    /// # Errors
    ///
    /// The kernel has no such setting.
    pub fn hardened(self) -> io::Result<Option<Setting>> {
        (self == Victim::Policy)
            .then(|| Setting::set("net/core/bpf_jit_harden", "2"))
            .transpose()
    }
}
