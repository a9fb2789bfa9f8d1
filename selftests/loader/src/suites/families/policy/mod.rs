// SPDX-License-Identifier: GPL-2.0

//! Firewall policies as programs: rules that are tried in turn, each with its own verdict.

use std::io;
use std::mem::offset_of;

use libbpf_sys::{xdp_md, BPF_PROG_TYPE_XDP};

use super::jited::blinded;
use super::program::Program;
use crate::bpf::insn::Size::{B, H, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, branch, exit, ja, jmp, jmp_reg, ldx, mov, mov_reg, swap, Cond, Insn, Op, Size, Swap,
};
use crate::bpf::Spec;
use crate::generator::rng::Rng;

const SEED: u64 = 1;
/// Packet, of Ethernet, IPv4 without options, and TCP or UDP: offsets in bytes, and the length of what the
/// rules look at.
const ETHERTYPE: i16 = 12;
const PROTOCOL: i16 = 23;
const SOURCE: i16 = 26;
const PORT: i16 = 36;
const LENGTH: i32 = 38;
/// `ETH_P_IP` in network order.
const IPV4: i32 = 0x0800_u16.to_be() as i32;
const DROP: i32 = 1;
const PASS: i32 = 2;
/// Hundredths of the rules that name a source alone. The verifier keeps a state for each other rule, 8 192
/// at most.
const SOURCE_ONLY: u32 = 30;

/// Loads a field of the packet, of which r6 is the start, into r5.
fn field(size: Size, at: i16) -> Insn {
    ldx(size, 5, 6, at)
}

/// Insns that load something, and jump if it is not as the rule wants it. Where to is settled later; that
/// of the other two too.
fn source(rng: &mut Rng) -> Vec<Insn> {
    let length = rng.pick(&[8, 16, 20, 24, 24, 28, 32, 32]);
    let mask = u32::MAX << (32 - length);
    let address = (rng.next() as u32 & mask).to_be() as i32;
    let mut insns = vec![field(W, SOURCE)];
    if length < 32 {
        insns.push(alu_imm(W32, Op::And, 5, mask.to_be() as i32));
    }
    insns.push(branch(W32, Cond::Ne, 5, address));
    insns
}

fn protocol(rng: &mut Rng) -> Vec<Insn> {
    let number = rng.pick(&[6, 6, 17]);
    vec![field(B, PROTOCOL), branch(W64, Cond::Ne, 5, number)]
}

/// One port, or a range of them.
fn port(rng: &mut Rng) -> Vec<Insn> {
    let from = rng.range(1, 60_000);
    let mut insns = vec![field(H, PORT), swap(Swap::ToBig, 5, 16)];
    if rng.percent(60) {
        insns.push(branch(W64, Cond::Ne, 5, from));
    } else {
        let to = from + rng.range(1, 5_000);
        insns.extend([branch(W64, Cond::Lt, 5, from), branch(W64, Cond::Gt, 5, to)]);
    }
    insns
}

/// A rule; if it does not match, it goes to what follows it.
fn rule(rng: &mut Rng) -> Vec<Insn> {
    let mut insns = source(rng);
    let source_only = rng.percent(SOURCE_ONLY);
    if !source_only {
        // The verifier goes on behind a jump before it follows it: it is to find the next rule there, and
        // come back for this one. The other way round it would keep a state for each further check.
        let last = insns.len() - 1;
        insns[last] = Insn {
            off: 1,
            ..branch(W32, Cond::Eq, 5, insns[last].imm)
        };
        insns.push(ja(0));
        insns.extend(protocol(rng));
        if rng.percent(80) {
            insns.extend(port(rng));
        }
    }
    insns.extend([mov(0, rng.pick(&[DROP, DROP, PASS])), exit()]);
    let end = insns.len();
    for (at, insn) in insns.iter_mut().enumerate() {
        if insn.off == 0 && (insn.is_conditional() || *insn == ja(0)) {
            insn.off = (end - at - 1) as i16;
        }
    }
    insns
}

/// A policy of `n` rules. What is no IPv4 passes, what no rule matches is dropped.
fn policy_of(n: usize) -> Vec<Insn> {
    let mut rng = Rng::new(SEED, 0);
    let mut insns = vec![
        ldx(W, 6, 1, offset_of!(xdp_md, data) as i16),
        ldx(W, 2, 1, offset_of!(xdp_md, data_end) as i16),
        mov_reg(3, 6),
        alu_imm(W64, Op::Add, 3, LENGTH),
        jmp_reg(Cond::Gt, 3, 2, 2),
        field(H, ETHERTYPE),
        jmp(Cond::Eq, 5, IPV4, 2),
        mov(0, PASS),
        exit(),
    ];
    insns.extend((0..n).flat_map(|_| rule(&mut rng)));
    insns.extend([mov(0, DROP), exit()]);
    insns
}

/// A policy that is blinded, and as its twin the same without blinding.
pub fn policy(n: usize) -> io::Result<Program> {
    let spec = Spec::new(BPF_PROG_TYPE_XDP, "policy", policy_of(n));
    Ok(blinded(spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::JA;

    /// Insns of a rule at most.
    const LONGEST: usize = 20;

    #[test]
    fn jumps_lead_to_the_next_rule() {
        for n in [0, 1, 10, 1_000] {
            let insns = policy_of(n);
            assert!(insns.len() <= (n + 1) * LONGEST);
            assert_eq!(insns.last(), Some(&exit()));
            for (at, insn) in insns.iter().enumerate() {
                if insn.is_conditional() || insn.code == JA {
                    let off = usize::try_from(insn.off).unwrap();
                    assert!((1..LONGEST).contains(&off), "insn {at}");
                    assert!(at + 1 + off < insns.len(), "insn {at}");
                }
            }
        }
    }

    /// The verifier's states are enough for the largest policy.
    #[test]
    fn enough_rules_name_a_source_alone() {
        let insns = policy_of(10_000);
        assert!(insns.iter().filter(|insn| insn.code == JA).count() < 8_000);
        assert_eq!(insns, policy_of(10_000));
    }
}
