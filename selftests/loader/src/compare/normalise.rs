// SPDX-License-Identifier: GPL-2.0

//! Masks what may differ between two loads of one program, or between two kernels.
//!
//! Between two loads on one kernel only one thing may differ: the address of something the kernel
//! made for that one load (the program itself for `bpf_timer_set_callback`, for instance), which
//! rewriting puts into a 64-bit immediate load. Such loads are told from constants of the program
//! by their value not being in the program that was handed in. (Programs that ask for random numbers
//! or have an insn array are for [`super::drawn`] to clear first.) Everything else is compared as the
//! kernel reports it, helper addresses included: those belong to the kernel, not to the load.
//!
//! Between two kernels the addresses of helpers differ as well, and the ids of maps.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use crate::bpf::insn::{
    decode, Insn, CALL_CODE, LD_IMM64, PSEUDO_CALL, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE,
};

/// Clears the addresses that a load puts into its program.
///
/// `given` is the program that was handed in, `xlated` what the kernel reports.
pub fn for_one_kernel(given: &[Insn], xlated: &[u8]) -> Vec<Insn> {
    let constants: HashSet<(i32, i32)> = imm64(given).map(|(_, value)| value).collect();
    let mut out = decode(xlated);
    let foreign: Vec<usize> = imm64(&out)
        .filter(|(at, value)| out[*at].src() == 0 && !constants.contains(value))
        .map(|(at, _)| at)
        .collect();
    for at in foreign {
        out[at].imm = 0;
        out[at + 1].imm = 0;
    }
    out
}

/// Index and value (low, high half) of every 64-bit immediate load.
fn imm64(insns: &[Insn]) -> impl Iterator<Item = (usize, (i32, i32))> + '_ {
    insns
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0].code == LD_IMM64)
        .map(|(at, pair)| (at, (pair[0].imm, pair[1].imm)))
}

/// Clears what differs between two kernels too.
///
/// Addresses of helpers become 0 and are returned by name, so that a call of the wrong helper still
/// shows; ids of maps become their rank by first use.
pub fn for_any_kernel(
    given: &[Insn],
    xlated: &[u8],
    symbols: &Symbols,
) -> (Vec<Insn>, Vec<String>) {
    let mut out = for_one_kernel(given, xlated);
    let mut calls = Vec::new();
    let mut maps = BTreeMap::new();
    for insn in &mut out {
        match (insn.code, insn.src()) {
            // The interpreter's entry point for the callee's stack size; `off` has the callee.
            (CALL_CODE, PSEUDO_CALL) => insn.imm = 0,
            (CALL_CODE, _) => {
                calls.push(symbols.helper(insn.imm));
                insn.imm = 0;
            }
            (LD_IMM64, PSEUDO_MAP_FD | PSEUDO_MAP_VALUE) => {
                let rank = maps.len() as i32;
                insn.imm = *maps.entry(insn.imm).or_insert(rank);
            }
            _ => {}
        }
    }
    (out, calls)
}

/// The kernel's own names for its addresses.
pub struct Symbols {
    names: BTreeMap<u64, String>,
    /// Address that helper calls are relative to.
    call_base: Option<u64>,
}

impl Symbols {
    /// Reads `/proc/kallsyms`; empty when the kernel has none or hides the addresses.
    pub fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/kallsyms").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut names = BTreeMap::new();
        let mut call_base = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else {
                continue;
            };
            if name == "__bpf_call_base" {
                call_base = Some(address);
            }
            // Of several names for one address keep the first, in the same order on both kernels.
            names.entry(address).or_insert_with(|| name.to_owned());
        }
        Self {
            names,
            call_base: call_base.filter(|&address| address != 0),
        }
    }

    /// Name of the helper that a reported call goes to.
    fn helper(&self, imm: i32) -> String {
        self.call_base
            .and_then(|base| self.names.get(&base.wrapping_add_signed(i64::from(imm))))
            .cloned()
            .unwrap_or_else(|| "?".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{call, call_rel, exit, ld_map_fd};

    fn bytes(insns: &[Insn]) -> Vec<u8> {
        insns.iter().flat_map(|insn| insn.bytes()).collect()
    }

    fn constant(low: i32, high: i32) -> [Insn; 2] {
        [
            Insn::new(LD_IMM64, 1, 0, 0, low),
            Insn::new(0, 0, 0, 0, high),
        ]
    }

    #[test]
    fn own_constants_stay_and_addresses_go() {
        let given = constant(1, 2);
        let xlated = [constant(1, 2), constant(3, 4)].concat();
        let expected = [constant(1, 2), constant(0, 0)].concat();
        assert_eq!(for_one_kernel(&given, &bytes(&xlated)), expected);
    }

    #[test]
    fn calls_and_maps_between_kernels() {
        let symbols = Symbols::parse("1000 T __bpf_call_base\n1010 T bpf_helper\n");
        let reported = Insn {
            off: 7,
            ..call_rel(99)
        };
        let xlated = [&ld_map_fd(1, 41)[..], &ld_map_fd(1, 40), &ld_map_fd(1, 41)].concat();
        let xlated = [&xlated[..], &[call(0x10), call(0x11), reported, exit()]].concat();
        let (insns, calls) = for_any_kernel(&[], &bytes(&xlated), &symbols);
        assert_eq!(calls, ["bpf_helper", "?"]);
        assert_eq!([insns[0].imm, insns[2].imm, insns[4].imm], [0, 1, 0]);
        assert_eq!(insns[8], Insn { imm: 0, ..reported });
    }
}
