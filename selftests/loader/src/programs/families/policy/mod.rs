// SPDX-License-Identifier: GPL-2.0

//! Firewall policies as programs: rules that are tried in turn, each with its own verdict.
//!
//! There are two layouts of the same rules:
//!
//! - `policy`: each rule ends with its verdict, so that no jump leads further than to the next rule.
//! - `policy_direct`: each rule jumps straight to a verdict at the end, which all rules share. This is what
//!   a compiler makes of `return XDP_DROP` in many places, and is the shorter program.
//!
//! A jump reaches 32 767 insns, and 10 000 rules have 90 000. A compiler knows the length of what it
//! writes, so it puts the verdicts behind as many rules as can reach them, then begins anew: a group of
//! rules, a jump over the verdicts, the verdicts. It knows nothing of blinding, which makes three insns
//! of each that has a constant. Then the jumps of a group do not reach the verdicts.

mod check;
mod rule;

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
use crate::programs::generator::asm::{link, Code, Label};
use crate::programs::generator::rng::Rng;
pub use check::Check;
use rule::{Ports, Rule, DROP, ETHERTYPE, IPV4, LENGTH, PASS, PORT, PROTOCOL, SOURCE};

const SEED: u64 = 1;
/// Insns that a jump can lead over.
const REACH: usize = 32_767;
/// Of the rules that name a source alone, one in so many is a single jump. The verifier keeps a state for
/// each of these.
const SINGLE_JUMP: usize = 5;

/// Where a rule goes if it matches.
#[derive(Clone, Copy)]
enum Match {
    /// To a verdict of its own.
    Own,
    /// To one that it shares. By a jump of its own, if not by the last comparison.
    Shared { verdict: Label, own_jump: bool },
}

/// Loads a field of the packet, of which r6 is the start, into r5.
fn field(size: Size, at: i16) -> Insn {
    ldx(size, 5, 6, at)
}

/// Writes a rule. If it does not match, it goes to what follows it.
fn write(code: &mut Code, rule: &Rule, to: Match) {
    let next = code.label();
    let address = rule.source.to_be() as i32;
    code.emit(&[field(W, SOURCE)]);
    if rule.mask != u32::MAX {
        code.emit(&[alu_imm(W32, Op::And, 5, rule.mask.to_be() as i32)]);
    }
    // The last comparison, by what holds if the rule does not match, and by what holds if it does.
    let (unless, when) = match &rule.further {
        None => both(W32, Cond::Ne, Cond::Eq, address),
        Some(further) => {
            // The verifier goes on behind a jump before it follows it: it is to find the next rule there,
            // and come back for this one. The other way round it would keep a state for each further
            // check.
            let checks = code.label();
            code.emit_to(branch(W32, Cond::Eq, 5, address), checks);
            code.emit_to(ja(0), next);
            code.place(checks);
            code.emit(&[field(B, PROTOCOL)]);
            let protocol = both(W64, Cond::Ne, Cond::Eq, further.protocol.into());
            if let Some(ports) = further.ports {
                code.emit_to(protocol.0, next);
                code.emit(&[field(H, PORT), swap(Swap::ToBig, 5, 16)]);
                match ports {
                    Ports::One(port) => both(W64, Cond::Ne, Cond::Eq, port),
                    Ports::Range(from, to) => {
                        code.emit_to(branch(W64, Cond::Lt, 5, from), next);
                        both(W64, Cond::Gt, Cond::Le, to)
                    }
                }
            } else {
                protocol
            }
        }
    };
    match to {
        Match::Own => {
            code.emit_to(unless, next);
            code.emit(&[mov(0, rule.verdict), exit()]);
        }
        Match::Shared {
            verdict,
            own_jump: true,
        } => {
            code.emit_to(unless, next);
            code.emit_to(ja(0), verdict);
        }
        Match::Shared { verdict, .. } => code.emit_to(when, verdict),
    }
    code.place(next);
}

/// A comparison of r5, and its opposite.
fn both(width: crate::bpf::insn::Width, unless: Cond, when: Cond, imm: i32) -> (Insn, Insn) {
    (branch(width, unless, 5, imm), branch(width, when, 5, imm))
}

fn rules(n: usize) -> Vec<Rule> {
    let mut rng = Rng::new(SEED, 0);
    (0..n).map(|_| Rule::draw(&mut rng)).collect()
}

/// What comes in front of the rules: what is too short for them, or no IPv4, passes.
fn head(code: &mut Code) {
    code.emit(&[
        ldx(W, 6, 1, offset_of!(xdp_md, data) as i16),
        ldx(W, 2, 1, offset_of!(xdp_md, data_end) as i16),
        mov_reg(3, 6),
        alu_imm(W64, Op::Add, 3, LENGTH),
        jmp_reg(Cond::Gt, 3, 2, 2),
        field(H, ETHERTYPE),
        jmp(Cond::Eq, 5, IPV4.to_be().into(), 2),
        mov(0, PASS),
        exit(),
    ]);
}

fn linked(code: &Code) -> Vec<Insn> {
    link(&[(0, code, vec![0])]).expect("jumps fit").insns
}

/// Each rule with a verdict of its own. What no rule matches is dropped.
fn near(rules: &[Rule]) -> Vec<Insn> {
    let mut code = Code::new();
    head(&mut code);
    for rule in rules {
        write(&mut code, rule, Match::Own);
    }
    code.emit(&[mov(0, DROP), exit()]);
    linked(&code)
}

/// As few verdicts as jumps can reach.
fn direct(rules: &[Rule]) -> Vec<Insn> {
    let mut code = Code::new();
    head(&mut code);
    let mut source_only = 0;
    let mut rest = rules;
    loop {
        let (drop, pass) = (code.label(), code.label());
        let start = code.len();
        while let Some((rule, others)) = rest.split_first() {
            // The second verdict is three insns behind the end of the group.
            if code.len() + LONGEST + 3 - start > REACH {
                break;
            }
            source_only += usize::from(rule.further.is_none());
            let to = Match::Shared {
                verdict: if rule.verdict == DROP { drop } else { pass },
                // Else the verifier would keep a state for the verdict.
                own_jump: rule.further.is_none() && source_only % SINGLE_JUMP != 0,
            };
            write(&mut code, rule, to);
            rest = others;
        }
        let over = code.label();
        if !rest.is_empty() {
            code.emit_to(ja(0), over);
        }
        code.place(drop);
        code.emit(&[mov(0, DROP), exit()]);
        code.place(pass);
        code.emit(&[mov(0, PASS), exit()]);
        code.place(over);
        if rest.is_empty() {
            return linked(&code);
        }
    }
}

/// Insns of a rule at most.
const LONGEST: usize = 20;

fn program(name: &str, insns: Vec<Insn>, rules: Vec<Rule>) -> Program {
    let mut program = blinded(Spec::new(BPF_PROG_TYPE_XDP, name, insns));
    program.check = Some(Check::new(rules));
    program
}

/// A policy that is blinded, and as its twin the same without blinding.
pub fn policy(n: usize) -> io::Result<Program> {
    let rules = rules(n);
    Ok(program("policy", near(&rules), rules))
}

/// The same rules, with verdicts that they share.
pub fn policy_direct(n: usize) -> io::Result<Program> {
    let rules = rules(n);
    Ok(program("policy_direct", direct(&rules), rules))
}

#[cfg(test)]
mod tests {
    use super::check::packets_of;
    use super::rule::decision;
    use super::*;
    use crate::bpf::insn::JA;
    use crate::interpreter::{holds, run, Context, Input};

    #[test]
    fn jumps_lead_to_the_next_rule() {
        for n in [0, 1, 10, 1_000] {
            let insns = near(&rules(n));
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
        let all = rules(10_000);
        let further = all.iter().filter(|rule| rule.further.is_some()).count();
        let single = (all.len() - further) / SINGLE_JUMP;
        assert!(further + single < 8_000);
        let insns = near(&all);
        assert_eq!(insns.iter().filter(|insn| insn.code == JA).count(), further);
        assert_eq!(insns, near(&rules(10_000)));
    }

    #[test]
    fn verdicts_are_as_few_as_can_be() {
        let exits = |n| {
            let insns = direct(&rules(n));
            insns.iter().filter(|&&insn| insn == exit()).count()
        };
        // One in front, two of each group.
        assert_eq!(exits(0), 3);
        assert_eq!(exits(1_000), 3);
        assert_eq!(exits(10_000), 7);
    }

    #[test]
    fn programs_decide_as_the_rules_say() {
        for n in [0, 1, 300, 6_000] {
            let rules = rules(n);
            let mut seen = [0; 3];
            for layout in [near(&rules), direct(&rules)] {
                for packet in packets_of(&rules) {
                    let input = Input {
                        context: Context::xdp(),
                        packet: packet.bytes(),
                        ..Input::default()
                    };
                    let decided = run(&layout, &input, holds, |_, _| {});
                    let expected = decision(&rules, &packet);
                    assert_eq!(decided, Ok(expected as u64), "{packet:?}");
                    seen[expected as usize] += 1;
                }
            }
            assert!(
                seen[DROP as usize] > 10 && seen[PASS as usize] > 10,
                "{n}: {seen:?}"
            );
        }
    }
}
