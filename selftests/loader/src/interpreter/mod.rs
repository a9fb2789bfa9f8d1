// SPDX-License-Identifier: GPL-2.0

//! Runs a program as it was written, before the verifier has seen it. What the kernel makes of the
//! program has to return the same.
//!
//! It knows what generated programs consist of: arithmetic, jumps, calls of subprograms, callbacks of
//! bpf_loop, tail calls, the stack, the context, the packet and values of maps. Insns name maps by their
//! numbers (see [`Input`]). It shares nothing with the kernel's interpreter, and refuses what it does not
//! know.

mod arithmetic;
mod condition;
mod memory;

use libbpf_sys::{
    BPF_FUNC_get_prandom_u32, BPF_FUNC_jiffies64, BPF_FUNC_loop, BPF_FUNC_map_lookup_elem,
    BPF_FUNC_tail_call,
};

use crate::bpf::insn::{
    Cond, Insn, Width, ALU, ALU64, CALL_CODE, EXIT_CODE, GOTOL, GOTOX, JA, JMP, JMP32, LDX,
    LD_IMM64, MAY_GOTO, MEM, MEMSX, PSEUDO_CALL, PSEUDO_FUNC, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE, ST,
    STX, X,
};
pub use condition::holds;
use memory::Memory;
pub use memory::{Context, Input};

/// Helpers that programs call.
const JIFFIES: u32 = BPF_FUNC_jiffies64;
const RANDOM: u32 = BPF_FUNC_get_prandom_u32;
const LOOKUP: u32 = BPF_FUNC_map_lookup_elem;
const TAIL_CALL: u32 = BPF_FUNC_tail_call;
const LOOP: u32 = BPF_FUNC_loop;

/// Frames a program may have.
const FRAMES: usize = 8;
/// Times that a may_goto falls through in one call of a function.
const BUDGET: u32 = 8_388_608;
/// What is in registers whose value is lost. A program that uses it returns something else in the kernel.
const LOST: u64 = 0x1057_1057_1057_1057;
/// A program that takes more insns does not end.
const STEPS: u64 = 10_000_000;

/// Why a program cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not a program that this interpreter knows, at this insn.
    Unknown(usize),
    /// The insn accesses memory that is not there, or of which the value is not known.
    Access(usize),
    /// Behind the last insn, or in front of the first.
    Outside(i64),
    TooDeep,
    Endless,
}

/// Decides a condition. A test may put a wrong one in place of [`holds`].
pub type Decide = fn(Cond, Width, u64, u64) -> bool;

/// What to come back to when a function returns.
struct Frame {
    back: usize,
    saved: [u64; 4],
    budget: u32,
    /// Of a callback of bpf_loop.
    rounds: Option<Rounds>,
}

/// What is left of a bpf_loop.
struct Rounds {
    callback: usize,
    context: u64,
    index: u64,
    count: u64,
}

/// What a program leaves behind.
#[derive(Clone, Debug)]
pub struct Output {
    pub result: u64,
    pub context: Context,
    pub packet: Vec<u8>,
    pub values: Vec<u8>,
}

/// What happened in a program, at an insn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A jump that depends on something was taken, or was not. Static branches are among them.
    Jump(bool),
    /// A tail call found a program, or did not.
    TailCall(bool),
    /// An indirect jump.
    Gotox,
    /// A round of a bpf_loop.
    Round,
}

/// Runs a program, and returns what it returns. `seen` gets each jump that depends on something, static
/// branches included, and whether it was taken.
///
/// # Errors
///
/// See [`Fault`].
pub fn run(
    insns: &[Insn],
    input: &Input,
    decide: Decide,
    mut seen: impl FnMut(usize, bool),
) -> Result<u64, Fault> {
    let event = &mut |at, event| {
        if let Event::Jump(taken) = event {
            seen(at, taken);
        }
    };
    run_all(insns, input, decide, event).map(|output| output.result)
}

/// Runs a program, and returns all that it leaves behind.
///
/// # Errors
///
/// See [`Fault`].
pub fn run_all(
    insns: &[Insn],
    input: &Input,
    decide: Decide,
    seen: &mut dyn FnMut(usize, Event),
) -> Result<Output, Fault> {
    let mut memory = Memory::new(input, FRAMES);
    let result = execute(insns, input, &mut memory, decide, seen)?;
    Ok(Output {
        result,
        context: memory.context,
        packet: memory.packet,
        values: memory.values,
    })
}

fn execute(
    insns: &[Insn],
    input: &Input,
    memory: &mut Memory<'_>,
    decide: Decide,
    seen: &mut dyn FnMut(usize, Event),
) -> Result<u64, Fault> {
    let mut regs = [0u64; 11];
    let mut frames: Vec<Frame> = Vec::new();
    let mut budget = BUDGET;
    regs[1] = memory::CONTEXT;
    regs[10] = memory.top(0);
    let mut at = 0;
    for _ in 0..STEPS {
        let insn = *insns.get(at).ok_or(Fault::Outside(at as i64))?;
        let unknown = Fault::Unknown(at);
        let (dst, src) = (usize::from(insn.dst()), usize::from(insn.src()));
        if dst > 10 || src > 10 {
            return Err(unknown);
        }
        let operand = if insn.code & X != 0 {
            regs[src]
        } else {
            i64::from(insn.imm) as u64
        };
        // How far from the next insn it goes on.
        let mut skip = 0i64;
        // A function that is entered, its frame's rounds if it is a callback, and one that is left.
        let (mut enters, mut leaves) = (None, false);
        match insn.code {
            LD_IMM64 => {
                let high = insns.get(at + 1).ok_or(unknown)?.imm;
                regs[dst] = match insn.src() {
                    0 => u64::from(insn.imm as u32) | u64::from(high as u32) << 32,
                    PSEUDO_MAP_VALUE => Memory::value(insn.imm, high),
                    // The helpers here are told apart by what they do, not by their maps.
                    PSEUDO_MAP_FD => LOST,
                    PSEUDO_FUNC => Memory::code((at as i64 + 1 + i64::from(insn.imm)) as usize),
                    _ => return Err(unknown),
                };
                skip = 1;
            }
            JA | GOTOL => {
                let on = input.switched.contains(&at);
                let taken = !insn.is_static_branch() || insn.begins_as_nop() == on;
                if insn.is_static_branch() {
                    seen(at, Event::Jump(taken));
                }
                if taken && insn.code == JA {
                    skip = i64::from(insn.off);
                } else if taken {
                    skip = i64::from(insn.imm);
                }
            }
            GOTOX => {
                seen(at, Event::Gotox);
                at = Memory::insn_at(regs[dst]).ok_or(unknown)?;
                continue;
            }
            MAY_GOTO => {
                let taken = budget == 0;
                seen(at, Event::Jump(taken));
                if taken {
                    skip = i64::from(insn.off);
                } else {
                    budget -= 1;
                }
            }
            CALL_CODE if src == usize::from(PSEUDO_CALL) => {
                let to = at as i64 + 1 + i64::from(insn.imm);
                enters = Some((to, None));
            }
            CALL_CODE if src == 0 => match insn.imm as u32 {
                // What these return is not known.
                JIFFIES | RANDOM => regs[..6].fill(LOST),
                LOOKUP => {
                    let key = memory.load(regs[2], 4).ok_or(Fault::Access(at))?;
                    let found = key == 0;
                    regs[..6].fill(LOST);
                    regs[0] = if found { Memory::value(0, 0) } else { 0 };
                }
                TAIL_CALL => {
                    let key = regs[3] as u32 as usize;
                    let tail = input.tails.get(key).and_then(Option::as_ref);
                    seen(at, Event::TailCall(tail.is_some()));
                    regs[..6].fill(LOST);
                    if let Some(tail) = tail {
                        regs[0] = execute(tail, input, memory, decide, &mut |_, _| {})?;
                        leaves = true;
                    }
                }
                LOOP => {
                    let callback = Memory::insn_at(regs[2]).ok_or(unknown)?;
                    let rounds = Rounds {
                        callback,
                        context: regs[3],
                        index: 0,
                        count: u64::from(regs[1] as u32),
                    };
                    regs[..6].fill(LOST);
                    if rounds.count == 0 {
                        regs[0] = 0;
                    } else {
                        enters = Some((callback as i64, Some(rounds)));
                    }
                }
                _ => return Err(unknown),
            },
            EXIT_CODE => leaves = true,
            code => match code & 7 {
                class @ (ALU | ALU64) => {
                    let width = if class == ALU { Width::W32 } else { Width::W64 };
                    regs[dst] =
                        arithmetic::result(insn, width, regs[dst], operand).ok_or(unknown)?;
                }
                class @ (JMP | JMP32) => {
                    let width = if class == JMP32 {
                        Width::W32
                    } else {
                        Width::W64
                    };
                    let cond = Cond::of(code).ok_or(unknown)?;
                    let taken = decide(cond, width, regs[dst], operand);
                    seen(at, Event::Jump(taken));
                    if taken {
                        skip = i64::from(insn.off);
                    }
                }
                LDX if matches!(code & 0xe0, MEM | MEMSX) => {
                    let size = insn.size().bytes() as usize;
                    let from = regs[src].wrapping_add_signed(i64::from(insn.off));
                    let value = memory.load(from, size).ok_or(Fault::Access(at))?;
                    let unused = 64 - 8 * size as u32;
                    regs[dst] = match code & 0xe0 {
                        MEMSX => ((value << unused) as i64 >> unused) as u64,
                        _ => value,
                    };
                }
                class @ (ST | STX) if code & 0xe0 == MEM => {
                    let size = insn.size().bytes() as usize;
                    let to = regs[dst].wrapping_add_signed(i64::from(insn.off));
                    let value = if class == STX {
                        regs[src]
                    } else {
                        i64::from(insn.imm) as u64
                    };
                    memory.store(to, size, value).ok_or(Fault::Access(at))?;
                }
                _ => return Err(unknown),
            },
        }
        let mut back = at + 1;
        if leaves {
            let Some(frame) = frames.pop() else {
                return Ok(regs[0]);
            };
            regs[6..10].copy_from_slice(&frame.saved);
            budget = frame.budget;
            regs[10] = memory.top(frames.len());
            at = frame.back;
            let Some(mut rounds) = frame.rounds else {
                continue;
            };
            rounds.index += 1;
            let ends = regs[0] != 0 || rounds.index == rounds.count;
            regs[1..6].fill(LOST);
            if ends {
                regs[0] = rounds.index;
                continue;
            }
            back = frame.back;
            enters = Some((rounds.callback as i64, Some(rounds)));
        }
        if let Some((to, rounds)) = enters {
            if frames.len() + 1 == FRAMES {
                return Err(Fault::TooDeep);
            }
            if let Some(rounds) = &rounds {
                seen(back - 1, Event::Round);
                (regs[1], regs[2]) = (rounds.index, rounds.context);
            }
            frames.push(Frame {
                back,
                saved: [regs[6], regs[7], regs[8], regs[9]],
                budget,
                rounds,
            });
            budget = BUDGET;
            regs[10] = memory.top(frames.len());
            at = usize::try_from(to).map_err(|_| Fault::Outside(to))?;
            continue;
        }
        let next = at as i64 + 1 + skip;
        at = usize::try_from(next).map_err(|_| Fault::Outside(next))?;
    }
    Err(Fault::Endless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::Size::{B, DW, H, W};
    use crate::bpf::insn::Width::{W32, W64};
    use crate::bpf::insn::{
        alu_imm, alu_reg, branch, branch_reg, call, call_rel, exit, gotol, gotox, ja, jmp, ld_func,
        ld_imm64, ld_map_fd, ld_map_value, ldsx, ldx, may_goto, mov, mov_reg, st, static_branch,
        stx, Op,
    };
    use crate::bpf::skb::{DATA, DATA_END, LEN, MARK};

    fn on(insns: &[Insn], input: &Input) -> Result<u64, Fault> {
        run(insns, input, holds, |_, _| {})
    }

    fn of(insns: &[Insn]) -> Result<u64, Fault> {
        on(insns, &Input::default())
    }

    #[test]
    fn jumps_forward_and_back() {
        // 3 + 2 + 1, by a loop that is entered in the middle.
        let insns = [
            mov(0, 0),
            mov(1, 3),
            ja(1),
            alu_imm(W64, Op::Sub, 1, 1),
            alu_reg(W64, Op::Add, 0, 1),
            branch(W64, Cond::Ne, 1, 1).with_off(-3),
            gotol(1),
            mov(0, 0),
            exit(),
        ];
        let mut seen = Vec::new();
        let result = run(&insns, &Input::default(), holds, |at, taken| {
            seen.push((at, taken));
        });
        assert_eq!(result, Ok(6));
        assert_eq!(seen, [(5, true), (5, true), (5, false)]);
        let back = [gotol(1), exit(), mov(0, 9), gotol(-3)];
        assert_eq!(of(&back), Ok(9));
    }

    #[test]
    fn operands_are_numbers_and_registers() {
        // A number is extended by its sign; of a 32-bit comparison the upper half does not count.
        let [low, high] = ld_imm64(1, 0xffff_ffff);
        let taken = |insn: Insn| of(&[low, high, mov(2, -1), mov(0, 1), insn, mov(0, 0), exit()]);
        assert_eq!(taken(branch(W64, Cond::Eq, 1, -1).with_off(1)), Ok(0));
        assert_eq!(taken(branch(W32, Cond::Eq, 1, -1).with_off(1)), Ok(1));
        assert_eq!(taken(branch_reg(W64, Cond::Eq, 1, 2).with_off(1)), Ok(0));
        assert_eq!(taken(branch_reg(W32, Cond::Eq, 1, 2).with_off(1)), Ok(1));
    }

    #[test]
    fn functions_have_their_own_registers_and_stack() {
        let insns = [
            mov(6, 5),
            st(DW, 10, -8, 7),
            mov(1, 40),
            call_rel(4),
            ldx(DW, 2, 10, -8),
            alu_reg(W64, Op::Add, 0, 2),
            alu_reg(W64, Op::Add, 0, 6),
            exit(),
            mov(6, 0),
            st(DW, 10, -8, 0),
            mov_reg(0, 1),
            exit(),
        ];
        assert_eq!(of(&insns), Ok(52));
        assert_eq!(of(&[call_rel(-1)]), Err(Fault::TooDeep));
    }

    #[test]
    fn memory_of_each_size() {
        let insns = |load| [st(DW, 10, -16, -2), st(W, 10, -16, 0x80), load, exit()];
        assert_eq!(of(&insns(ldx(B, 0, 10, -16))), Ok(0x80));
        assert_eq!(of(&insns(ldsx(B, 0, 10, -16))), Ok(-128i64 as u64));
        assert_eq!(of(&insns(ldx(H, 0, 10, -12))), Ok(0xffff));
        assert_eq!(of(&insns(ldx(DW, 0, 10, -16))), Ok(0xffff_ffff_0000_0080));
        assert_eq!(of(&insns(ldx(DW, 0, 10, -4))), Err(Fault::Access(2)));
        let insns = [mov(1, 0x1234), stx(B, 10, -1, 1), ldx(B, 0, 10, -1), exit()];
        assert_eq!(of(&insns), Ok(0x34));
        assert_eq!(of(&[stx(W, 1, MARK, 1)]), Err(Fault::Access(0)));
    }

    #[test]
    fn context_and_packet() {
        let input = Input {
            context: Context::skb(&[(MARK, 0x8765_4321), (LEN, 3)]),
            packet: vec![1, 2, 3],
            ..Input::default()
        };
        assert_eq!(on(&[ldx(W, 0, 1, MARK), exit()], &input), Ok(0x8765_4321));
        assert_eq!(on(&[ldx(B, 0, 1, MARK + 1), exit()], &input), Ok(0x43));
        assert_eq!(on(&[ldx(H, 0, 1, MARK + 2), exit()], &input), Ok(0x8765));
        assert_eq!(on(&[ldx(W, 0, 1, 4)], &input), Err(Fault::Access(0)));
        let length = [
            ldx(W, 0, 1, DATA_END),
            ldx(W, 2, 1, DATA),
            alu_reg(W64, Op::Sub, 0, 2),
            exit(),
        ];
        assert_eq!(on(&length, &input), Ok(3));
        let byte = |off| [ldx(W, 2, 1, DATA), ldx(B, 0, 2, off), exit()];
        assert_eq!(on(&byte(2), &input), Ok(3));
        assert_eq!(on(&byte(3), &input), Err(Fault::Access(1)));
    }

    #[test]
    fn may_goto_falls_through_until_its_budget_is_gone() {
        let insns = [
            mov(0, 0),
            may_goto(2),
            alu_imm(W64, Op::Add, 0, 1),
            ja(-3),
            exit(),
        ];
        // The budget outlasts what a program may run for here.
        assert_eq!(of(&insns), Err(Fault::Endless));
        let short = [mov(0, 1), may_goto(1), mov(0, 2), exit()];
        assert_eq!(of(&short), Ok(2));
    }

    #[test]
    fn static_branches_go_as_they_are_switched() {
        for wide in [false, true] {
            for nop in [false, true] {
                let insns = [
                    mov(0, 1),
                    static_branch(wide, nop, 1),
                    mov(0, 2),
                    static_branch(wide, nop, 0),
                    exit(),
                ];
                for on in [false, true] {
                    let input = Input {
                        switched: if on { [1].into() } else { [].into() },
                        ..Input::default()
                    };
                    let mut seen = Vec::new();
                    let result = run(&insns, &input, holds, |at, taken| seen.push((at, taken)));
                    assert_eq!(result, Ok(if nop == on { 1 } else { 2 }));
                    assert_eq!(seen, [(1, nop == on), (3, !nop)]);
                }
            }
        }
    }

    #[test]
    fn a_helper_loses_registers() {
        let jiffies = call(BPF_FUNC_jiffies64);
        assert_eq!(of(&[mov(6, 3), jiffies, mov_reg(0, 6), exit()]), Ok(3));
        assert_eq!(of(&[mov(3, 3), jiffies, mov_reg(0, 3), exit()]), Ok(LOST));
    }

    /// A loop of so many rounds, whose callback adds 10 and the round to a number, and returns `result`.
    fn bpf_loop(rounds: i32, result: i32) -> Vec<Insn> {
        let [low, high] = ld_func(2, 9);
        vec![
            st(DW, 10, -8, 0),
            mov(1, rounds),
            low,
            high,
            mov_reg(3, 10),
            alu_imm(W64, Op::Add, 3, -8),
            mov(4, 0),
            call(BPF_FUNC_loop),
            ldx(DW, 1, 10, -8),
            alu_imm(W64, Op::Lsh, 0, 32),
            alu_reg(W64, Op::Or, 0, 1),
            exit(),
            ldx(DW, 3, 2, 0),
            alu_imm(W64, Op::Add, 3, 10),
            alu_reg(W64, Op::Add, 3, 1),
            stx(DW, 2, 0, 3),
            mov(0, result),
            exit(),
        ]
    }

    #[test]
    fn callbacks_run_until_they_say_so() {
        assert_eq!(of(&bpf_loop(0, 0)), Ok(0));
        assert_eq!(of(&bpf_loop(3, 0)), Ok(3 << 32 | 33));
        assert_eq!(of(&bpf_loop(3, 1)), Ok(1 << 32 | 10));
    }

    #[test]
    fn indirect_jumps_lead_where_the_array_says() {
        let [low, high] = ld_map_value(1, 1, 8);
        let insns = [
            low,
            high,
            ldx(DW, 1, 1, 0),
            gotox(1),
            mov(0, 1),
            exit(),
            mov(0, 2),
            exit(),
        ];
        let at = |second| {
            let tables = vec![vec![4, second]];
            on(
                &insns,
                &Input {
                    tables,
                    ..Input::default()
                },
            )
        };
        assert_eq!((at(4), at(6)), (Ok(1), Ok(2)));
        assert_eq!(of(&insns), Err(Fault::Access(2)));
        assert_eq!(of(&[gotox(1)]), Err(Fault::Unknown(0)));
    }

    #[test]
    fn tail_calls_end_a_function() {
        let insns = |key| {
            [
                call_rel(1),
                exit(),
                mov(3, key),
                call(BPF_FUNC_tail_call),
                mov(0, 5),
                exit(),
            ]
        };
        let input = Input {
            tails: vec![None, Some(vec![mov(0, 7), exit()])],
            ..Input::default()
        };
        let with = |key| on(&insns(key), &input);
        assert_eq!((with(0), with(1), with(2)), (Ok(5), Ok(7), Ok(5)));
    }

    #[test]
    fn what_a_program_leaves_behind() {
        let [low, high] = ld_map_value(2, 0, 4);
        let insns = [
            st(W, 1, MARK, 3),
            low,
            high,
            st(H, 2, 0, 4),
            ldx(W, 2, 1, DATA),
            st(B, 2, 1, 5),
            mov(0, 6),
            exit(),
        ];
        let input = Input {
            context: Context::skb(&[(MARK, 0)]),
            packet: vec![0; 2],
            values: vec![0; 6],
            ..Input::default()
        };
        let output = run_all(&insns, &input, holds, &mut |_, _| {}).unwrap();
        assert_eq!((output.result, output.context.word(MARK)), (6, Some(3)));
        assert_eq!(
            (output.packet, output.values),
            (vec![0, 5], vec![0, 0, 0, 0, 4, 0])
        );
    }

    #[test]
    fn a_map_of_one_has_a_value_under_0() {
        let insns = |key| {
            let [low, high] = ld_map_fd(1, 0);
            let mut insns = vec![
                st(W, 10, -4, key),
                mov_reg(2, 10),
                alu_imm(W64, Op::Add, 2, -4),
            ];
            insns.extend([low, high, call(BPF_FUNC_map_lookup_elem)]);
            insns.extend([
                branch(W64, Cond::Eq, 0, 0).with_off(1),
                ldx(B, 0, 0, 1),
                exit(),
            ]);
            insns
        };
        let input = Input {
            values: vec![3, 4],
            ..Input::default()
        };
        assert_eq!(on(&insns(0), &input), Ok(4));
        assert_eq!(on(&insns(1), &input), Ok(0));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(of(&[call(2)]), Err(Fault::Unknown(0)));
        assert_eq!(of(&[ja(5)]), Err(Fault::Outside(6)));
        assert_eq!(of(&[ja(-5)]), Err(Fault::Outside(-4)));
        assert_eq!(of(&[Insn::new(0x2f, 11, 0, 0, 0)]), Err(Fault::Unknown(0)));
        assert_eq!(of(&[ja(-1)]), Err(Fault::Endless));
    }

    #[test]
    fn a_wrong_condition_shows() {
        fn wrong(cond: Cond, width: Width, left: u64, right: u64) -> bool {
            holds(cond, width, left, right) != (cond == Cond::Set)
        }
        let insns = [mov(0, 1), jmp(Cond::Set, 0, 1, 1), mov(0, 2), exit()];
        let input = Input::default();
        assert_eq!(run(&insns, &input, holds, |_, _| {}), Ok(1));
        assert_eq!(run(&insns, &input, wrong, |_, _| {}), Ok(2));
    }
}
