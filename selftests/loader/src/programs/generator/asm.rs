// SPDX-License-Identifier: GPL-2.0

//! Code with labels, and putting functions together to a program.

use crate::bpf::insn::{Insn, CALL_CODE, GOTOL, JA, LD_IMM64};

/// A place in a function; it may be named before it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

#[derive(Clone, Copy)]
enum Target {
    None,
    Label(Label),
    /// A function, by its number.
    Function(usize),
}

/// One function. It is written in segments, each of which ends with a jump or an exit, so that they
/// may stand in any order; the first is where it starts.
pub struct Code {
    segments: Vec<Vec<(Insn, Target)>>,
    /// Segment and index in it.
    labels: Vec<Option<(usize, usize)>>,
    /// Labels that insn arrays lead to.
    tables: Vec<Vec<Label>>,
    len: usize,
}

impl Code {
    pub fn new() -> Self {
        Self {
            segments: vec![Vec::new()],
            labels: Vec::new(),
            tables: Vec::new(),
            len: 0,
        }
    }

    /// Instructions so far.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn emit(&mut self, insns: &[Insn]) {
        for &insn in insns {
            self.push(insn, Target::None);
        }
    }

    /// A jump, of any form.
    pub fn emit_to(&mut self, insn: Insn, label: Label) {
        self.push(insn, Target::Label(label));
    }

    /// A call, or the first half of the address of a callback, which needs the second half emitted
    /// behind it.
    pub fn emit_ref(&mut self, insn: Insn, function: usize) {
        self.push(insn, Target::Function(function));
    }

    fn push(&mut self, insn: Insn, target: Target) {
        self.last().push((insn, target));
        self.len += 1;
    }

    fn last(&mut self) -> &mut Vec<(Insn, Target)> {
        self.segments.last_mut().expect("there is always one")
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub fn place(&mut self, label: Label) {
        let at = self.last().len();
        self.labels[label.0] = Some((self.segments.len() - 1, at));
    }

    /// An insn array that leads to these labels.
    pub fn table(&mut self, labels: Vec<Label>) {
        self.tables.push(labels);
    }

    /// What comes now need not stand behind what came before.
    pub fn new_segment(&mut self) {
        self.segments.push(Vec::new());
    }

    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Numbers of the functions referred to.
    pub fn refers_to(&self) -> impl Iterator<Item = usize> + '_ {
        self.segments
            .iter()
            .flatten()
            .filter_map(|slot| match slot.1 {
                Target::Function(function) => Some(function),
                _ => None,
            })
    }
}

/// A jump does not reach its target.
#[derive(Debug, PartialEq, Eq)]
pub struct TooFar;

/// A program made of functions.
#[derive(Debug)]
pub struct Linked {
    pub insns: Vec<Insn>,
    /// Where each function starts, in the order given.
    pub starts: Vec<usize>,
    /// What insn arrays lead to, those of the first function first.
    pub tables: Vec<Vec<u32>>,
}

/// Puts functions one behind the other.
///
/// Each comes as its number, its code and the order of its segments.
///
/// # Errors
///
/// [`TooFar`] for a conditional jump; others become jumps with 32 bits.
pub fn link(functions: &[(usize, &Code, Vec<usize>)]) -> Result<Linked, TooFar> {
    let highest = functions.iter().map(|&(number, ..)| number).max();
    let mut by_number = vec![None; highest.map_or(0, |number| number + 1)];
    let mut starts = Vec::new();
    let mut segment_starts = Vec::new();
    let mut at = 0;
    for (number, code, order) in functions {
        by_number[*number] = Some(at);
        starts.push(at);
        let mut of_segments = vec![0; code.segments.len()];
        for &segment in order {
            of_segments[segment] = at;
            at += code.segments[segment].len();
        }
        segment_starts.push(of_segments);
    }

    let mut insns = Vec::with_capacity(at);
    let mut tables = Vec::new();
    for ((_, code, order), of_segments) in functions.iter().zip(&segment_starts) {
        let place = |label: &Label| {
            let (segment, at) = code.labels[label.0].expect("labels that are used get placed");
            of_segments[segment] + at
        };
        let table = |labels: &Vec<Label>| labels.iter().map(|label| place(label) as u32).collect();
        tables.extend(code.tables.iter().map(table));
        for &segment in order {
            for &(insn, target) in &code.segments[segment] {
                let to = match target {
                    Target::None => None,
                    Target::Label(label) => Some(place(&label)),
                    Target::Function(number) => {
                        Some(by_number[number].expect("what is referred to is linked"))
                    }
                };
                insns.push(match to {
                    Some(to) => aimed(insn, to as i64 - insns.len() as i64 - 1)?,
                    None => insn,
                });
            }
        }
    }
    Ok(Linked {
        insns,
        starts,
        tables,
    })
}

/// `insn` with its target `off` instructions behind the next one.
fn aimed(insn: Insn, off: i64) -> Result<Insn, TooFar> {
    let imm = off as i32;
    match (insn.code, i16::try_from(off)) {
        // For the address of a callback, too, the kernel counts from its first half.
        (CALL_CODE | GOTOL | LD_IMM64, _) => Ok(Insn { imm, ..insn }),
        (_, Ok(off)) => Ok(Insn { off, ..insn }),
        (JA, Err(_)) => Ok(Insn {
            code: GOTOL,
            imm,
            ..insn
        }),
        _ => Err(TooFar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{call_rel, exit, gotol, ja, jmp, mov, Cond};

    #[test]
    fn references_of_every_kind() {
        let mut main = Code::new();
        let (over, next) = (main.label(), main.label());
        main.emit_to(jmp(Cond::Eq, 0, 0, 0), over);
        main.emit_ref(call_rel(0), 1);
        main.place(over);
        main.emit_to(gotol(0), next);
        main.new_segment();
        main.place(next);
        main.emit(&[exit()]);
        let mut other = Code::new();
        other.emit_ref(call_rel(0), 2);
        other.emit(&[exit()]);
        let mut third = Code::new();
        third.emit(&[mov(0, 0), exit()]);

        assert_eq!(main.refers_to().collect::<Vec<_>>(), [1]);
        let order = [
            (0, &main, vec![0, 1]),
            (2, &third, vec![0]),
            (1, &other, vec![0]),
        ];
        let linked = link(&order).unwrap();
        assert_eq!(linked.starts, [0, 4, 6]);
        let expected = [
            jmp(Cond::Eq, 0, 0, 1),
            call_rel(4),
            gotol(0),
            exit(),
            mov(0, 0),
            exit(),
            call_rel(-3),
            exit(),
        ];
        assert_eq!(linked.insns, expected);
    }

    #[test]
    fn insn_arrays() {
        let mut first = Code::new();
        first.emit(&[mov(0, 0), exit()]);
        let mut second = Code::new();
        let (one, two) = (second.label(), second.label());
        second.emit(&[mov(0, 0)]);
        second.place(one);
        second.emit(&[exit()]);
        second.new_segment();
        second.place(two);
        second.emit(&[exit()]);
        second.table(vec![two, one]);
        let linked = link(&[(0, &first, vec![0]), (1, &second, vec![0, 1])]).unwrap();
        assert_eq!(linked.tables, [[4, 3]]);
    }

    #[test]
    fn far_jumps() {
        let mut code = Code::new();
        let end = code.label();
        code.emit_to(ja(0), end);
        code.emit(&vec![mov(0, 0); 40_000]);
        code.place(end);
        code.emit(&[exit()]);
        let linked = link(&[(0, &code, vec![0])]).unwrap();
        assert_eq!(linked.insns[0], gotol(40_000));

        let start = code.label();
        code.emit_to(jmp(Cond::Eq, 0, 0, 0), end);
        code.place(start);
        code.emit(&vec![exit(); 40_000]);
        code.emit_to(jmp(Cond::Eq, 0, 0, 0), start);
        assert_eq!(link(&[(0, &code, vec![0])]).unwrap_err(), TooFar);
    }
}
