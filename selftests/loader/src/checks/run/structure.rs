// SPDX-License-Identifier: GPL-2.0

//! What has to be true of a rewritten program, however it was rewritten. A jump that is never taken leads
//! wrong without showing when the program is run.

use crate::bpf::insn::{
    Cond, Insn, Op, ALU64, CALL_CODE, GOTOL, JA, JMP, JMP32, LD_IMM64, NOSPEC, PSEUDO_CALL, X,
};
use crate::bpf::Records;

/// What is wrong with a rewritten program, whose constants may be blinded; its functions start where `functions` says.
pub fn wrong(blinded: bool, insns: &[Insn], functions: &Records) -> Option<String> {
    let starts = starts(functions, insns.len());
    (0..insns.len()).find_map(|at| {
        let what = leads_astray(insns, &starts, at).or_else(|| {
            let decided = !blinded && is_decided(insns[at], *insns.get(at + 1)?);
            let barrier = insns[at].code == NOSPEC && insns.get(at + 1)?.code == GOTOL;
            match (decided, barrier) {
                (true, _) => Some("a jump stayed that the verifier had decided"),
                // Programs here need barriers in front of what uses a register, which such a jump does not.
                (_, true) => Some("a barrier is on one way of a jump"),
                _ => None,
            }
        })?;
        Some(format!("{what}, at insn {at} of {}", insns.len()))
    })
}

/// Where functions start, and where the last one ends.
fn starts(functions: &Records, end: usize) -> Vec<usize> {
    let records = functions.bytes.chunks_exact(functions.size.max(4));
    let first = |record: &[u8]| u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
    let starts = records.map(|record| first(record) as usize);
    starts.chain([end]).collect()
}

fn leads_astray(insns: &[Insn], starts: &[usize], at: usize) -> Option<&'static str> {
    let insn = insns[at];
    let off = match insn.code {
        _ if is_second_half(insns, at) => return None,
        GOTOL => insn.imm,
        JA => insn.off.into(),
        CALL_CODE if insn.src() == PSEUDO_CALL => {
            // That of a compiled program is reported as 0 if it has no room in 16 bits.
            let to = (at + 1).wrapping_add_signed(insn.off.into());
            let right = insn.off == 0 || starts.contains(&to);
            return (!right).then_some("a call that leads to no function");
        }
        _ if insn.is_conditional() => insn.off.into(),
        _ => return None,
    };
    let Ok(to) = usize::try_from(at as i64 + 1 + i64::from(off)) else {
        return Some("a jump to in front of the program");
    };
    let of = |at| starts.partition_point(|&start| start <= at);
    if of(to) != of(at) {
        return Some("a jump to another function");
    }
    is_second_half(insns, to).then_some("a jump into an insn")
}

fn is_second_half(insns: &[Insn], at: usize) -> bool {
    insns[at].code == 0 && at > 0 && insns[at - 1].code == LD_IMM64
}

/// In these programs, what compares r0 with a number is decided by the verifier, but for what compares it with
/// 0 and, where the kernel looks into a map, with 1. Where it leads over what sets r1, both ways are reached.
fn is_decided(insn: Insn, next: Insn) -> bool {
    if next.code | X == ALU64 | Op::Mov as u8 | X && next.dst() == 1 {
        return false;
    }
    let compares = matches!(insn.code & 7, JMP | JMP32) && Cond::of(insn.code).is_some();
    compares && insn.code & X == 0 && insn.dst() == 0 && ![0, 1].contains(&insn.imm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::Width::W64;
    use crate::bpf::insn::{branch, call_rel, exit, gotol, ja, ld_imm64, mov};

    /// Of a program whose second function starts there.
    fn said(blinded: bool, insns: &[Insn], second: u32) -> Option<String> {
        let words = [0, 1, second, 2];
        let functions = Records {
            size: 8,
            bytes: words.into_iter().flat_map(u32::to_ne_bytes).collect(),
        };
        let said = wrong(blinded, insns, &functions)?;
        Some(said.split(',').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn jumps() {
        let [low, high] = ld_imm64(1, 0);
        let jump = |jump| said(false, &[jump, low, high, exit(), mov(0, 0), exit()], 4);
        let says = |what: &str| Some(what.to_owned());
        assert_eq!(jump(ja(0)), None);
        assert_eq!(jump(gotol(2)), None);
        assert_eq!(jump(ja(1)), says("a jump into an insn"));
        assert_eq!(jump(gotol(3)), says("a jump to another function"));
        assert_eq!(jump(gotol(5)), says("a jump to another function"));
        assert_eq!(jump(gotol(-2)), says("a jump to in front of the program"));
        assert_eq!(jump(call_rel(0).with_off(3)), None);
        let call = jump(call_rel(0).with_off(2));
        assert_eq!(call, says("a call that leads to no function"));
    }

    #[test]
    fn what_is_decided() {
        let never = [branch(W64, Cond::Gt, 0, 10), exit(), exit()];
        assert!(said(false, &never, 2).is_some());
        assert!(said(true, &never, 2).is_none());
        let over = [
            branch(W64, Cond::Gt, 0, 10).with_off(1),
            mov(1, 0),
            exit(),
            exit(),
        ];
        assert!(said(false, &over, 3).is_none());
        let checks = [branch(W64, Cond::Eq, 0, 0), exit(), exit()];
        assert!(said(false, &checks, 2).is_none());
    }

    #[test]
    fn barriers() {
        let nospec = Insn::new(NOSPEC, 0, 0, 0, 0);
        assert!(said(false, &[nospec, gotol(0), exit(), exit()], 3).is_some());
        assert!(said(false, &[nospec, ja(0), exit(), exit()], 3).is_none());
    }
}
