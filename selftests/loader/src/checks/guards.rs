// SPDX-License-Identifier: GPL-2.0

//! Programs of ordinary users: what the verifier adds against speculation is at the same places in each mode,
//! and loads do not take longer than in mode `stock`: neither the longest one nor all others together.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::Args;
use libbpf_sys::{BPF_FUNC_tail_call, BPF_PROG_TYPE_SOCKET_FILTER};
use serde_json::json;

use super::runner::{differs, micros, Made, Runner, Verdict};
use crate::bpf::insn::Size::{DW, W};
use crate::bpf::insn::Width::{W32, W64};
use crate::bpf::insn::{
    alu_imm, alu_reg, call, decode, exit, jmp, ldx, mov, stx, Cond, Insn, Op, NOSPEC,
};
use crate::bpf::skb::IFINDEX;
use crate::bpf::{Detail, Spec};
use crate::kernel::mode::Mode;
use crate::out;
use crate::programs::{handmade, Random};

/// Registers from this one on are the kernel's.
const KERNELS: u8 = 11;
/// Most insns of such a program.
const LONGEST: usize = 4_096;
/// Loads of a program in each mode; the quickest counts.
const ROUNDS: usize = 3;
/// Of the longest one, mode `patcher` takes so many times as long as stock at most, and of all others together so
/// many hundredths.
const SLOWER: u32 = 2;
const SLOWER_PERCENT: u32 = 125;

#[derive(Args)]
pub struct GuardArgs {
    /// Number of random programs; those by hand come first
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Where they come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lose a guard on purpose: the command must then fail
    #[arg(long)]
    plant: bool,
}

/// What keeps the processor from speculating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Guard {
    Barrier,
    /// An offset from a pointer is masked.
    Mask,
    /// It is replaced by the constant that it is.
    Constant,
    /// The index of a tail call is masked.
    TailCall,
}

impl Guard {
    const ALL: [Self; 4] = [
        Guard::Barrier,
        Guard::Mask,
        Guard::Constant,
        Guard::TailCall,
    ];

    fn name(self) -> &'static str {
        match self {
            Guard::Barrier => "barriers",
            Guard::Mask => "masks",
            Guard::Constant => "constants",
            Guard::TailCall => "tail_calls",
        }
    }
}

/// Guards of a program that the kernel has rewritten, and the insns where they are.
fn guards(insns: &[Insn]) -> Vec<(usize, Guard)> {
    let [add, sub, and] = [Op::Add, Op::Sub, Op::And].map(|op| alu_reg(W64, op, 0, 0).code);
    let number = alu_imm(W32, Op::Mov, 0, 0).code;
    let at_least = jmp(Cond::Ge, 0, 0, 0).code;
    let tail_call = call(BPF_FUNC_tail_call);
    let guard = |at: usize| {
        let insn = insns[at];
        let behind = |k: usize| insns.get(at + k).copied().unwrap_or(exit());
        let of_kernel = insn.dst() >= KERNELS;
        let takes = |next: Insn| [add, sub].contains(&next.code) && next.src() == insn.dst();
        let calls = |next: Insn| (next.code, next.imm) == (tail_call.code, tail_call.imm);
        match insn.code {
            NOSPEC => Some(Guard::Barrier),
            code if code == and && of_kernel => Some(Guard::Mask),
            code if code == number && of_kernel && takes(behind(1)) => Some(Guard::Constant),
            code if code == at_least && insn.dst() == 3 && calls(behind(2)) => {
                Some(Guard::TailCall)
            }
            _ => None,
        }
    };
    (0..insns.len())
        .filter_map(|at| guard(at).map(|guard| (at, guard)))
        .collect()
}

fn guards_of(made: &Made) -> Vec<(usize, Guard)> {
    let xlated = made
        .result
        .as_ref()
        .ok()
        .and_then(|report| report.xlated.as_deref());
    guards(&decode(xlated.unwrap_or_default()))
}

/// The longest program of an ordinary user: each second insn grows, and each other has a barrier.
fn longest() -> Spec {
    let block = [stx(DW, 10, -8, 1), ldx(W, 0, 1, IFINDEX)];
    let mut insns = block.repeat(LONGEST / 2 - 1);
    insns.extend([mov(0, 0), exit()]);
    Spec {
        unprivileged: true,
        ..Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, "longest", insns)
    }
}

/// Runs the command; true if no guard has moved, there were some of each kind, and no mode is slow.
///
/// # Errors
///
/// This kernel has no patcher, or what it says.
pub fn run(args: &GuardArgs) -> io::Result<Verdict> {
    let mut runner = Runner::of_patcher()?;
    let mut random = Random::new(args.seed)?;
    let maps = handmade::Maps::create()?;
    let random = (0..).map(|number| random.case(number).spec);
    let random = random.filter(|spec| spec.unprivileged).take(args.count);
    let mut count = BTreeMap::<Guard, u64>::new();
    let (mut loaded, mut refused, mut bad) = (0, 0, 0);
    let (mut all_stock, mut all_patcher) = (Duration::ZERO, Duration::ZERO);
    for spec in handmade::of_users(&maps).into_iter().chain(random) {
        let stock = runner.load(Mode::Stock, &spec, Detail::Full)?;
        let patcher = runner.load(Mode::Patcher, &spec, Detail::Full)?;
        let mut wrong = differs(&spec, &stock, &patcher);
        if stock.result.is_ok() && patcher.result.is_ok() {
            loaded += 1;
            all_stock += runner.quickest(Mode::Stock, &spec, ROUNDS)?;
            all_patcher += runner.quickest(Mode::Patcher, &spec, ROUNDS)?;
            let (in_stock, mut in_patcher) = (guards_of(&stock), guards_of(&patcher));
            if args.plant {
                in_patcher.pop();
            }
            for (_, guard) in &in_stock {
                *count.entry(*guard).or_default() += 1;
            }
            if in_stock != in_patcher {
                wrong = Some(format!("guards {in_stock:?} and {in_patcher:?}"));
            }
        } else {
            refused += 1;
        }
        if let Some(text) = wrong {
            bad += 1;
            out::progress(&format!("seed {}, {}: {text}", args.seed, spec.name));
        }
    }
    let spec = longest();
    let stock = runner.quickest(Mode::Stock, &spec, ROUNDS)?;
    let patcher = runner.quickest(Mode::Patcher, &spec, ROUNDS)?;
    let of = |guard: Guard| count.get(&guard).copied().unwrap_or(0);
    let good = bad == 0
        && Guard::ALL.iter().all(|&guard| of(guard) > 0)
        && patcher <= stock * SLOWER
        && all_patcher * 100 <= all_stock * SLOWER_PERCENT;
    let guards: u64 = count.values().sum();
    let [all_stock, all_patcher, stock, patcher] =
        [all_stock, all_patcher, stock, patcher].map(micros);
    out::json(&json!({ "guards": Guard::ALL.iter()
        .map(|&guard| (guard.name(), of(guard)))
        .collect::<BTreeMap<_, _>>() }));
    out::json(&json!({ "summary": {
        "command": "guards",
        "loaded": loaded,
        "refused": refused,
        "bad": bad,
        "guards": guards,
        "all_stock_us": all_stock,
        "all_patcher_us": all_patcher,
        "longest_stock_us": stock,
        "longest_patcher_us": patcher,
    }}));
    Ok(Verdict::new(
        good,
        format!(
            "{loaded} programs of ordinary users, {bad} of them wrong: {guards} guards against speculation; the longest \
             takes {stock} us in stock, {patcher} in patcher, all others {all_stock} and {all_patcher}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel makes them; its own register is the 11th here.
    #[test]
    fn guards_of_each_kind() {
        let insns = [
            Insn::new(NOSPEC, 0, 0, 0, 0),
            alu_imm(W32, Op::Mov, 11, 64),
            alu_reg(W64, Op::Sub, 11, 2),
            alu_reg(W64, Op::And, 11, 2),
            alu_reg(W64, Op::Add, 1, 11),
            alu_imm(W32, Op::Mov, 11, 8),
            alu_reg(W64, Op::Sub, 1, 11),
            jmp(Cond::Ge, 3, 4, 2),
            alu_imm(W32, Op::And, 3, 3),
            call(BPF_FUNC_tail_call),
        ];
        let found = [
            (0, Guard::Barrier),
            (3, Guard::Mask),
            (5, Guard::Constant),
            (7, Guard::TailCall),
        ];
        assert_eq!(guards(&insns), found);
        // The program's own.
        let own = [
            alu_imm(W32, Op::Mov, 2, 8),
            alu_reg(W64, Op::Add, 1, 2),
            alu_reg(W64, Op::And, 1, 2),
            jmp(Cond::Ge, 3, 4, 1),
            call(BPF_FUNC_tail_call),
        ];
        assert!(guards(&own).is_empty());
    }
}
