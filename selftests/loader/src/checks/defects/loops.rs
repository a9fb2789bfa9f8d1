// SPDX-License-Identifier: GPL-2.0

//! Programs that call bpf_loop(), which is inlined in front of all other passes: in front of those that
//! remove dead code, and that put barriers.
//!
//! Stock refuses a program in which that makes a jump too long. The patcher made such jumps of 32 bits.
//! The passes behind then took them for what they were not: a jump whose one way is dead was not replaced
//! by the other way, so that it led to where the dead code had been, and a barrier was put in front of the
//! second half of a jump.

use std::io;

use libbpf_sys::{BPF_FUNC_get_prandom_u32, BPF_FUNC_loop, BPF_PROG_TYPE_SOCKET_FILTER};

use super::aim::landings;
use super::outcome::{load, Finding, Loaded, Outcome, Verdict};
use crate::bpf::btf::Btf;
use crate::bpf::insn::Size::DW;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{
    alu_imm, call, exit, ja, jmp, ld_func, ld_imm64, ldx, mov, mov_reg, st, Cond, Insn, Op,
    LD_IMM64, NOSPEC,
};
use crate::bpf::Spec;
use crate::kernel::jit;

/// What the verifier says of a jump that bpf_loop makes too long.
const TOO_FAR: &str = "cannot be patched due to 16-bit range";
/// Insns that a jump leads over which fits until bpf_loop is inlined.
const FAR: usize = i16::MAX as usize - 10;

/// Insns that tell where a jump leads: behind it, and as far as it can.
const BEHIND: Insn = Insn::new(0xb7, 0, 0, 0, 101);
const TARGET: Insn = Insn::new(0xb7, 0, 0, 0, 102);
const BARRIER: Insn = Insn::new(NOSPEC, 0, 0, 0, 0);

/// The insns that the one which stands behind `behind` comes to by jumps, in the order of the program.
struct Ways {
    behind: Insn,
    come_to: Vec<Insn>,
}

/// A program whose first call of bpf_loop is of the function at its end.
struct Program {
    name: &'static str,
    insns: Vec<Insn>,
    callback: Vec<Insn>,
    /// Load with CAP_BPF alone, as what it shows is a barrier.
    barrier: bool,
    ways: Vec<Ways>,
}

fn bpf_loop() -> [Insn; 6] {
    let [low, high] = ld_func(2, 0);
    [
        mov(1, 1),
        low,
        high,
        mov(3, 0),
        mov(4, 0),
        call(BPF_FUNC_loop),
    ]
}

/// `head` ends with a jump. It leads to TARGET in `tail`, so far that it does not reach once the call of
/// bpf_loop in `between` is inlined.
fn far(head: &[Insn], between: &[Insn], tail: &[Insn]) -> Vec<Insn> {
    let target = tail.iter().position(|&insn| insn == TARGET);
    let target = target.expect("the target is in the tail");
    let mut insns = [head, between].concat();
    insns[head.len() - 1].off = FAR as i16;
    insns.resize(head.len() + FAR - target, mov(0, 0));
    insns.extend(tail);
    insns
}

/// Code that only a jump to TARGET, `at` insns behind its start, leads to.
fn dead(at: usize) -> Vec<Insn> {
    let mut insns = vec![mov(0, 9); at - 1];
    insns.extend([exit(), TARGET, ja(-(at as i16) - 2)]);
    insns
}

/// A jump that is never taken to a place `at` insns into dead code, which `tail` stands behind.
fn never_taken(name: &'static str, at: usize, tail: &[Insn], callback: &[Insn]) -> Program {
    let known = alu_imm(W64, Op::And, 0, 7);
    let head = [
        call(BPF_FUNC_get_prandom_u32),
        known,
        jmp(Cond::Gt, 0, 10, 0),
    ];
    let between = [&[BEHIND][..], &bpf_loop()].concat();
    let dead = dead(at);
    let over = [ja(dead.len() as i16)];
    let end: &[Insn] = if tail.is_empty() { &[exit()] } else { &over };
    Program {
        name,
        insns: far(&head, &between, &[end, &dead, tail].concat()),
        callback: callback.to_vec(),
        barrier: false,
        ways: vec![Ways {
            behind: known,
            come_to: vec![BEHIND],
        }],
    }
}

/// The dead code is longer than all that stands behind it.
pub fn out_of_program() -> io::Result<Finding> {
    look(&never_taken("far_loop_out", 5, &[], &[mov(0, 0), exit()]))
}

/// Behind the dead code is a function that begins with an insn of two halves.
pub fn into_other_code() -> io::Result<Finding> {
    let [low, high] = ld_imm64(0, 0);
    let callback = [low, high, exit()];
    look(&never_taken("far_loop_into", 1, &[], &callback))
}

/// Behind the dead code the function goes on.
pub fn inside_function() -> io::Result<Finding> {
    let tail = [mov(0, 1), mov(0, 2), exit()];
    let callback = [mov(0, 0), exit()];
    look(&never_taken("far_loop_inside", 1, &tail, &callback))
}

/// A jump that is always taken, of the kind that has no inverse: what is behind it is dead.
pub fn jset() -> io::Result<Finding> {
    let mark = mov(9, 1);
    let dead = [mov(0, 9); 2];
    let head = [
        call(BPF_FUNC_get_prandom_u32),
        mov_reg(6, 0),
        mov_reg(7, 0),
        alu_imm(W64, Op::Or, 7, 1),
        // Comes to bpf_loop without the jump.
        jmp(Cond::Eq, 6, 3, 2 + dead.len() as i16),
        mark,
        jmp(Cond::Set, 7, 1, 0),
    ];
    let between = [&dead[..], &[BEHIND], &bpf_loop()].concat();
    look(&Program {
        name: "far_loop_jset",
        insns: far(&head, &between, &[exit(), TARGET, exit()]),
        callback: vec![mov(0, 0), exit()],
        barrier: false,
        ways: vec![Ways {
            behind: mark,
            come_to: vec![TARGET],
        }],
    })
}

/// A jump that has a barrier in front: its register is not set if the one before it is mispredicted.
pub fn barrier_of_jump() -> io::Result<Finding> {
    let known = alu_imm(W64, Op::And, 0, 7);
    let set = mov_reg(7, 0);
    let head = [
        call(BPF_FUNC_get_prandom_u32),
        known,
        jmp(Cond::Gt, 0, 10, 1),
        set,
        jmp(Cond::Eq, 7, 3, 0),
    ];
    let between = [&[BEHIND][..], &bpf_loop()].concat();
    let ways = [
        (known, vec![set, BARRIER]),
        (set, vec![BARRIER]),
        (BARRIER, vec![BEHIND, TARGET]),
    ];
    look(&Program {
        name: "far_loop_nospec",
        insns: far(&head, &between, &[exit(), TARGET, exit()]),
        callback: vec![mov(0, 0), exit()],
        barrier: true,
        ways: ways
            .map(|(behind, come_to)| Ways { behind, come_to })
            .into(),
    })
}

/// A call that has a barrier in front: if the jump before it is mispredicted, the callback gets a number
/// for the pointer that it loads from. Stock puts the barrier behind the loop.
pub fn barrier_of_call() -> io::Result<Finding> {
    let last = mov(4, 0);
    let [low, high] = ld_func(2, 0);
    let insns = vec![
        call(BPF_FUNC_get_prandom_u32),
        mov_reg(6, 0),
        st(DW, 10, -8, 0),
        mov_reg(3, 10),
        alu_imm(W64, Op::Add, 3, -8),
        jmp(Cond::Ne, 6, 0, 1),
        mov(3, 4096),
        mov(1, 1),
        low,
        high,
        jmp(Cond::Eq, 6, 0, 2),
        last,
        call(BPF_FUNC_loop),
        mov(0, 0),
        exit(),
    ];
    look(&Program {
        name: "loop_nospec",
        insns,
        callback: vec![ldx(DW, 0, 2, 0), mov(0, 0), exit()],
        barrier: true,
        ways: vec![Ways {
            behind: last,
            come_to: vec![BARRIER],
        }],
    })
}

impl Ways {
    /// What is wrong with the ways of a program, in words.
    fn wrong(&self, insns: &[Insn]) -> Option<String> {
        let Some(at) = insns.iter().position(|&insn| insn == self.behind) else {
            return Some(format!("there is no {:?}", self.behind));
        };
        let found = landings(insns, at + 1);
        let insn = |&at: &i64| usize::try_from(at).ok().and_then(|at| insns.get(at));
        let right = found.iter().map(insn).eq(self.come_to.iter().map(Some));
        (!right).then(|| format!("insn {} comes to insns {found:?}", at + 1))
    }
}

/// A program that was loaded, judged, and what is wrong with it in words.
fn judge(ways: &[Ways], insns: &[Insn]) -> (Verdict, String) {
    match ways.iter().find_map(|ways| ways.wrong(insns)) {
        Some(wrong) => (Verdict::Shows, format!(", {wrong}")),
        None => (Verdict::Right, String::new()),
    }
}

fn look(program: &Program) -> io::Result<Finding> {
    let jit = jit::on()?;
    let btf = Btf::load()?;
    let callback = program.insns.len();
    let mut insns = [&program.insns[..], &program.callback].concat();
    let address = insns.iter().position(|insn| insn.code == LD_IMM64);
    let address = address.expect("the callback's address is loaded first");
    insns[address].imm = (callback - address - 1) as i32;
    let spec = Spec {
        btf: Some(btf.fd()),
        func_info: Btf::func_info(&[(0, false), (callback, false)]),
        cap_bpf: program.barrier,
        ..Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, program.name, insns)
    };
    let outcome = load(&spec)?;
    if jit.is_none() {
        // Refused at the very end: mode verify has judged it by then.
        return Finding::not_here(&format!(
            "only a JIT takes programs with callbacks: {outcome}"
        ));
    }
    let (verdict, wrong) = match &outcome {
        Outcome::Loaded(Loaded { insns, .. }) => {
            if program.barrier && !insns.contains(&BARRIER) {
                return Finding::not_here("the processor needs no barriers");
            }
            judge(&program.ways, insns)
        }
        Outcome::Refused(libc::ENOMEM, reason) if reason.contains(TOO_FAR) => {
            (Verdict::Right, String::new())
        }
        Outcome::Refused(..) => (Verdict::Unclear, String::new()),
    };
    Ok(Finding::Seen(verdict, format!("{outcome}{wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::gotol;

    #[test]
    fn jump_leads_as_far_as_it_should() {
        let head = [mov(1, 1), jmp(Cond::Eq, 1, 1, 0)];
        let insns = far(&head, &bpf_loop(), &[exit(), TARGET, exit()]);
        assert_eq!(landings(&insns, 1), [2, 2 + FAR as i64]);
        assert_eq!(insns[2 + FAR], TARGET);
    }

    #[test]
    fn dead_code_is_all_reached_from_its_target() {
        let insns = dead(5);
        assert_eq!(insns[5], TARGET);
        assert_eq!(landings(&insns, 6), [0]);
        assert_eq!(dead(1)[..2], [exit(), TARGET]);
    }

    #[test]
    fn barrier_in_front_of_each_half() {
        let ways = || {
            vec![
                Ways {
                    behind: mov(7, 0),
                    come_to: vec![BARRIER],
                },
                Ways {
                    behind: BARRIER,
                    come_to: vec![BEHIND, TARGET],
                },
            ]
        };
        let verdict = |insns: &[Insn]| judge(&ways(), insns).0;
        let (not, is) = (jmp(Cond::Ne, 7, 3, 1), jmp(Cond::Eq, 7, 3, 1));
        let (end, jump) = ([BEHIND, TARGET], gotol(1));
        let right = [&[mov(7, 0), BARRIER, not, jump], &end[..]].concat();
        assert_eq!(verdict(&right), Verdict::Right);
        assert_eq!(
            verdict(&[mov(7, 0), BARRIER, is, BEHIND, TARGET]),
            Verdict::Right
        );
        let second = [&[mov(7, 0), not.with_off(2), BARRIER, jump], &end[..]].concat();
        assert_eq!(verdict(&second), Verdict::Shows);
        // One way only, out of the program, and without the insn that it is about.
        assert_eq!(
            verdict(&[mov(7, 0), BARRIER, ja(1), BEHIND, TARGET]),
            Verdict::Shows
        );
        assert_eq!(
            verdict(&[mov(7, 0), BARRIER, is.with_off(9), BEHIND]),
            Verdict::Shows
        );
        assert_eq!(verdict(&end), Verdict::Shows);
    }
}
