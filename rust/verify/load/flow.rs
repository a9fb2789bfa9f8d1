// SPDX-License-Identifier: GPL-2.0

//! Ways through a group, from an insn of it to all that leave it.

use super::{
    accepted::{
        is_barrier,
        ways,
        Flow, //
    },
    places::Places,
    Fault,
    Judged, //
};
use crate::{
    engine::abi::{
        self,
        Array,
        Insn, //
    },
    verify::decode::are_opposite, //
};

/// Most different ways out of a group: the next insn, and the target of a jump. One more is room for a
/// wrong one, which is told then.
const WAYS: usize = 3;

/// A way out of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Insn that it leads to.
    pub(super) to: u32,
    /// It falls off the group's end.
    pub(super) falls: bool,
}

/// How a group is left.
#[derive(Default)]
pub(super) struct Exits {
    ways: [Option<Way>; WAYS],
    /// By an exit.
    pub(super) returns: bool,
    /// By an indirect jump.
    pub(super) indirect: bool,
}

impl Exits {
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> + '_ {
        self.ways.iter().flatten().copied()
    }

    /// Returns false if there are too many.
    fn add(&mut self, way: Way) -> bool {
        for slot in &mut self.ways {
            match slot {
                Some(known) if *known == way => return true,
                Some(_) => {}
                None => {
                    *slot = Some(way);
                    return true;
                }
            }
        }
        false
    }
}

/// Which jumps of a group are known to be taken, or not: those that compare as an accepted jump does.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Operation of the accepted jump.
    pub(super) op: u8,
    /// It is taken.
    pub(super) taken: bool,
}

impl Known {
    /// Is the jump `insn` taken? `None` if that is not known.
    fn is_taken(self, insn: &Insn) -> Option<bool> {
        const JEQ: u8 = 1;
        const MAY_GOTO: u8 = 14;
        // A may_goto is taken if its count is 0.
        let compared = |op| if op == MAY_GOTO { JEQ } else { op };
        let (known, op) = (compared(self.op), compared(insn.code >> 4));
        match known == op {
            true => Some(self.taken),
            false => are_opposite(known, op).then_some(!self.taken),
        }
    }
}

/// Walks through groups of one program.
pub(super) struct Walk<'a> {
    insns: &'a [Insn],
    places: &'a Places,
    /// The last walk that came to each insn.
    marks: Array<u32>,
    walks: u32,
    open: Array<u32>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(insns: &'a [Insn], places: &'a Places) -> Judged<Self> {
        Ok(Self {
            insns,
            places,
            marks: abi::zeroed(insns.len())?,
            walks: 0,
            open: Array::new(),
        })
    }

    /// Goes all ways from insn `from` until they leave its group. If `stops`, a barrier ends a way.
    pub(super) fn from(&mut self, from: u32, known: Option<Known>, stops: bool) -> Judged<Exits> {
        let mut exits = Exits::default();
        let group = self.places.owner(from);
        self.walks += 1;
        self.open.clear();
        abi::push(&mut self.open, from)?;
        while let Some(at) = self.open.pop() {
            let Some(mark) = self.marks.get_mut(at as usize) else {
                continue;
            };
            if core::mem::replace(mark, self.walks) == self.walks {
                continue;
            }
            let insn = &self.insns[at as usize];
            match Flow::of(insn) {
                Flow::Exit => exits.returns = true,
                Flow::Indirect => exits.indirect = true,
                _ if stops && is_barrier(insn) => continue,
                _ => {}
            }
            let mut ways = ways(insn, at);
            if Flow::of(insn) == Flow::Branch {
                match known.and_then(|known| known.is_taken(insn)) {
                    Some(true) => ways.next = None,
                    Some(false) => ways.target = None,
                    None => {}
                }
            }
            for (to, falls) in [(ways.next, true), (ways.target, false)] {
                let Some(to) = to else {
                    continue;
                };
                if self.places.owner(to) == group {
                    abi::push(&mut self.open, to)?;
                } else if !exits.add(Way { to, falls }) {
                    return Err(Fault::new(c"ways out of a patch", group, at).into());
                }
            }
        }
        Ok(exits)
    }

    /// Has the last walk come to insn `at`?
    pub(super) fn came_to(&self, at: u32) -> bool {
        self.marks.get(at as usize) == Some(&self.walks)
    }
}
