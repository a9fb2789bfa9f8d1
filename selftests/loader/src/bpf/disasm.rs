// SPDX-License-Identifier: GPL-2.0

//! Instructions as text, much as the verifier's log has them.

use crate::bpf::insn::{Insn, LD_IMM64, NOSPEC};

/// One line an instruction, the second half of a 64-bit load included.
pub fn listing(insns: &[Insn]) -> String {
    let mut out = String::new();
    let mut half = false;
    for (at, &insn) in insns.iter().enumerate() {
        let text = if half {
            "...".to_owned()
        } else {
            let next = insns.get(at + 1).map_or(0, |next| next.imm);
            text(insn, next, at as i64)
        };
        half = !half && insn.code == LD_IMM64;
        out += &format!("{at:5}: {:02x} {text}\n", insn.code);
    }
    out
}

/// `high` is the other half of a 64-bit load, `at` where the instruction stands.
fn text(insn: Insn, high: i32, at: i64) -> String {
    let Insn { code, off, imm, .. } = insn;
    let (dst, src) = (insn.dst(), insn.src());
    let register = code & 8 != 0;
    let size = ["u32", "u16", "u8", "u64"][usize::from(code >> 3 & 3)];
    let sign = ["s32", "s16", "s8", "s64"][usize::from(code >> 3 & 3)];
    let mode = code & 0xe0;
    let to = |off: i32| at + 1 + i64::from(off);
    match code & 7 {
        0 if code == LD_IMM64 => match src {
            0 => format!(
                "r{dst} = {:#x} ll",
                u64::from(imm as u32) | u64::from(high as u32) << 32
            ),
            1 => format!("r{dst} = map[{imm}]"),
            2 => format!("r{dst} = map[{imm}] + {high}"),
            4 => format!("r{dst} = func {}", to(imm)),
            _ => format!("r{dst} = pseudo {src} {imm} {high}"),
        },
        0 if mode == 0x20 => format!("r0 = *({size} *)skb[{imm}]"),
        0 if mode == 0x40 => format!("r0 = *({size} *)skb[r{src} {imm:+}]"),
        1 if mode == 0x60 => format!("r{dst} = *({size} *)(r{src} {off:+})"),
        1 if mode == 0x80 => format!("r{dst} = *({sign} *)(r{src} {off:+})"),
        2 if code == NOSPEC => "nospec".to_owned(),
        2 if mode == 0x60 => format!("*({size} *)(r{dst} {off:+}) = {imm}"),
        3 if mode == 0x60 => format!("*({size} *)(r{dst} {off:+}) = r{src}"),
        3 if mode == 0xc0 => match imm {
            0x100 => format!("r{dst} = load_acquire(({size} *)(r{src} {off:+}))"),
            0x110 => format!("store_release(({size} *)(r{dst} {off:+}), r{src})"),
            0xf1 => format!("r0 = cmpxchg(({size} *)(r{dst} {off:+}), r0, r{src})"),
            0xe1 => format!("r{src} = xchg(({size} *)(r{dst} {off:+}), r{src})"),
            _ => {
                let fetch = if imm & 1 != 0 { "fetch " } else { "" };
                let op = operator(imm as u8 & 0xf0);
                format!("{fetch}lock *({size} *)(r{dst} {off:+}) {op} r{src}")
            }
        },
        class @ (4 | 7) => arithmetic(insn, if class == 4 { 'w' } else { 'r' }),
        class @ (5 | 6) => {
            let name = if class == 6 { 'w' } else { 'r' };
            let operand = if register {
                format!("{name}{src}")
            } else {
                imm.to_string()
            };
            match code & 0xf0 {
                0x00 if class == 6 => format!("{} {}", always(insn, "gotol"), to(imm)),
                0x00 => format!("{} {}", always(insn, "goto"), to(i32::from(off))),
                0x80 if src == 1 => format!("call func {} ({off})", to(imm)),
                0x80 => format!("call {imm}"),
                0x90 => "exit".to_owned(),
                0xe0 => format!("may_goto {}", to(i32::from(off))),
                0xf0 => "tail_call".to_owned(),
                cond => {
                    let cond = comparison(cond);
                    let to = to(i32::from(off));
                    format!("if {name}{dst} {cond} {operand} goto {to}")
                }
            }
        }
        _ => format!("? r{dst} r{src} {off} {imm}"),
    }
}

/// A jump without a condition.
fn always(insn: Insn, jump: &str) -> String {
    match (insn.is_static_branch(), insn.begins_as_nop()) {
        (false, _) => jump.to_owned(),
        (true, false) => format!("{jump}_or_nop"),
        (true, true) => format!("nop_or_{jump}"),
    }
}

fn arithmetic(insn: Insn, name: char) -> String {
    let Insn { code, off, imm, .. } = insn;
    let (dst, src) = (insn.dst(), insn.src());
    let operand = if code & 8 != 0 {
        format!("{name}{src}")
    } else {
        imm.to_string()
    };
    match code & 0xf0 {
        0x80 => format!("{name}{dst} = -{name}{dst}"),
        0xd0 => {
            let kind = match code {
                0xd4 => "le",
                0xdc => "be",
                _ => "bswap",
            };
            format!("r{dst} = {kind}{imm} r{dst}")
        }
        0xb0 if off != 0 => format!("{name}{dst} = (s{off}){operand}"),
        op @ (0x30 | 0x90) if off == 1 => format!("{name}{dst} s{} {operand}", operator(op)),
        op => format!("{name}{dst} {} {operand}", operator(op)),
    }
}

fn operator(op: u8) -> &'static str {
    match op {
        0x00 => "+=",
        0x10 => "-=",
        0x20 => "*=",
        0x30 => "/=",
        0x40 => "|=",
        0x50 => "&=",
        0x60 => "<<=",
        0x70 => ">>=",
        0x90 => "%=",
        0xa0 => "^=",
        0xb0 => "=",
        0xc0 => "s>>=",
        _ => "?=",
    }
}

fn comparison(cond: u8) -> &'static str {
    match cond {
        0x10 => "==",
        0x20 => ">",
        0x30 => ">=",
        0x40 => "&",
        0x50 => "!=",
        0x60 => "s>",
        0x70 => "s>=",
        0xa0 => "<",
        0xb0 => "<=",
        0xc0 => "s<",
        0xd0 => "s<=",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{
        call_rel, exit, jmp, ld_imm64, ldx, mov, signed, Cond, Op, Size, Width,
    };

    #[test]
    fn lines() {
        let insns = [
            &ld_imm64(1, 1 << 32)[..],
            &[
                ldx(Size::H, 2, 6, -8),
                signed(crate::bpf::insn::alu_imm(Width::W32, Op::Div, 3, -1)),
                jmp(Cond::Lt, 4, 5, -3),
                call_rel(1),
                mov(0, 0),
                exit(),
            ],
        ]
        .concat();
        let text = listing(&insns);
        for expected in [
            "0: 18 r1 = 0x100000000 ll\n    1: 00 ...\n",
            "r2 = *(u16 *)(r6 -8)\n",
            "w3 s/= -1\n",
            "if r4 < 5 goto 2\n",
            "call func 7 (0)\n",
            "7: 95 exit\n",
        ] {
            assert!(text.contains(expected), "{expected:?} in {text}");
        }
    }
}
