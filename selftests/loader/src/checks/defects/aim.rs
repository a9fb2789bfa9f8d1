// SPDX-License-Identifier: GPL-2.0

//! Where the jumps of a rewritten program lead.

use crate::bpf::insn::{Insn, GOTOL, JA};

/// The index that the jump at `at` leads to, which may be outside of the program; None for an insn that
/// is no jump.
pub fn target(insns: &[Insn], at: usize) -> Option<i64> {
    let insn = insns[at];
    let distance = match insn.code {
        GOTOL => insn.imm,
        JA => insn.off.into(),
        _ if insn.is_conditional() => insn.off.into(),
        _ => return None,
    };
    Some(at as i64 + 1 + i64::from(distance))
}

/// The insns that `from` comes to by jumps alone, each of which is taken and is not: indices of the first
/// insns on these ways that are no jumps, in order. They may be outside of the program.
pub fn landings(insns: &[Insn], from: usize) -> Vec<i64> {
    let (mut seen, mut found) = (Vec::new(), Vec::new());
    let mut ways = vec![from as i64];
    while let Some(way) = ways.pop() {
        if seen.contains(&way) {
            continue;
        }
        seen.push(way);
        let at = usize::try_from(way).ok().filter(|&at| at < insns.len());
        match at.and_then(|at| target(insns, at).map(|to| (at, to))) {
            Some((at, to)) => {
                ways.push(to);
                if insns[at].is_conditional() {
                    ways.push(way + 1);
                }
            }
            None => found.push(way),
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::Width::W32;
    use crate::bpf::insn::{branch, call_rel, exit, gotol, gotox, ja, jmp, may_goto, mov, Cond};

    #[test]
    fn targets() {
        let insns = [
            jmp(Cond::Eq, 1, 0, 2),
            branch(W32, Cond::Gt, 1, 0).with_off(-2),
            ja(-1),
            gotol(70_000),
            may_goto(1),
            gotox(1),
            call_rel(1),
            exit(),
            mov(0, 1),
        ];
        let found: Vec<_> = (0..insns.len()).map(|at| target(&insns, at)).collect();
        let some = [3, 0, 2, 70_004, 6].map(Some);
        assert_eq!(found, [&some[..], &[None; 4]].concat());
    }

    /// A jump that is relaxed, one that is not, and one out of the program.
    #[test]
    fn ways() {
        let insns = [
            jmp(Cond::Gt, 0, 1, 1),
            gotol(2),
            mov(0, 1),
            exit(),
            mov(0, 2),
            jmp(Cond::Gt, 0, 1, -2),
            ja(0),
            ja(9),
        ];
        assert_eq!(landings(&insns, 0), [2, 4]);
        assert_eq!(landings(&insns, 2), [2]);
        assert_eq!(landings(&insns, 5), [4, 17]);
    }

    #[test]
    fn jumps_in_circles() {
        assert!(landings(&[ja(0), ja(-2)], 0).is_empty());
        assert_eq!(landings(&[jmp(Cond::Eq, 0, 0, -1), exit()], 0), [1]);
        assert_eq!(landings(&[ja(-3)], 0), [-2]);
    }
}
