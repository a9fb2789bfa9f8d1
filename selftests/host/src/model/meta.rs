// SPDX-License-Identifier: GPL-2.0

//! What has positions of insns but is none: line info, subprogs with their func info, poke
//! descriptors, insn arrays. Positions are shifted with each edit, as in C.

/// What an insn array has in place of a removed insn.
pub(crate) const DELETED: u32 = 0xffff_ffff;
/// From here on, what an insn array has is no position.
pub(crate) const GARBAGE: u32 = 0x7000_0000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sub {
    pub(crate) start: u32,
    pub(crate) linfo_idx: u32,
    /// Tells it from others, wherever it is.
    pub(crate) tag: u16,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    /// `insn_off` and what tells one from others.
    pub(crate) linfo: Vec<(u32, u32)>,
    /// With the one that marks the program's end.
    pub(crate) subs: Vec<Sub>,
    /// Empty or one for each subprog.
    pub(crate) func_info: Vec<u32>,
    /// Likewise.
    pub(crate) func_info_aux: Vec<u16>,
    pub(crate) poke: Vec<u32>,
    pub(crate) arrays: Vec<Vec<u32>>,
}

impl Meta {
    /// The insn at `at` becomes `added` insns more.
    pub(crate) fn insert(&mut self, at: usize, added: usize) {
        let (at, added) = (at as u32, added as u32);
        let shift = |pos: &mut u32, from: i64| {
            if i64::from(*pos) > from {
                *pos += added;
            }
        };
        let from = i64::from(at);
        self.linfo.iter_mut().for_each(|l| shift(&mut l.0, from));
        self.subs.iter_mut().for_each(|s| shift(&mut s.start, from));
        // The last of them is the tail call.
        self.poke.iter_mut().for_each(|p| shift(p, from - 1));
        let values = self.arrays.iter_mut().flatten();
        values
            .filter(|v| **v < GARBAGE)
            .for_each(|v| shift(v, from));
    }

    /// Jumps to the insn at `from` lead to the one at `to`, indirect ones too.
    pub(crate) fn redirect(&mut self, from: usize, to: usize) {
        let values = self.arrays.iter_mut().flatten();
        values
            .filter(|v| **v == from as u32)
            .for_each(|v| *v = to as u32);
    }

    /// The insns from `at` on go, `cnt` of them; `len` are left of the program.
    pub(crate) fn remove(&mut self, at: usize, cnt: usize, len: usize) {
        let (at, cnt, len) = (at as u32, cnt as u32, len as u32);
        let end = at + cnt;
        self.remove_subs(at, end);
        self.remove_linfo(at, end, len);
        for pos in &mut self.poke {
            if *pos >= end {
                *pos -= cnt;
            }
        }
        let values = self.arrays.iter_mut().flatten();
        for value in values.filter(|v| **v < GARBAGE) {
            if *value >= end {
                *value -= cnt;
            } else if *value >= at {
                *value = DELETED;
            }
        }
    }

    /// `adjust_subprog_starts_after_remove()`, also where it is wrong about a subprog that begins
    /// inside of the run and ends behind it, which no verified program has.
    fn remove_subs(&mut self, at: u32, end: u32) {
        let mut i = 0;
        while i + 1 < self.subs.len() {
            if self.subs[i].start >= at && self.subs[i + 1].start <= end {
                self.subs.remove(i);
                if i < self.func_info.len() {
                    self.func_info.remove(i);
                    self.func_info_aux.remove(i);
                }
            } else {
                i += 1;
            }
        }
        for sub in &mut self.subs {
            if sub.start >= end {
                sub.start -= end - at;
            } else if sub.start > at {
                sub.start = at;
            }
        }
    }

    /// `bpf_adj_linfo_after_remove()`
    fn remove_linfo(&mut self, at: u32, end: u32, len: u32) {
        if self.linfo.is_empty() {
            return;
        }
        let first = self.linfo.iter().filter(|l| l.0 < at).count();
        let mut behind = self.linfo.iter().filter(|l| l.0 < end).count();
        let next_has_own = self.linfo.get(behind).is_some_and(|l| l.0 == end);
        if len != at && behind > first && !next_has_own {
            behind -= 1;
            self.linfo[behind].0 = end;
        }
        self.linfo.drain(first..behind);
        for linfo in &mut self.linfo[first..] {
            linfo.0 -= end - at;
        }
        let (first, gone) = (first as u32, (behind - first) as u32);
        for sub in &mut self.subs {
            if sub.linfo_idx >= first + gone {
                sub.linfo_idx -= gone;
            } else if sub.linfo_idx > first {
                sub.linfo_idx = first;
            }
        }
    }
}
