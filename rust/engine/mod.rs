// SPDX-License-Identifier: GPL-2.0

//! The engine: applies all edits of a session to a program at once, in linear time.
//!
//! It works on slices and knows nothing of C, sessions or statistics. The order is: record edits in
//! a [`Log`](log::Log), compute their [`Layout`](layout::Layout), check that references still
//! [reach](reach::check), make room, then change the [`Program`]. Nothing fails from there on.
//!
//! # Example
//!
//! The old program, with the edits of a session:
//!
//! ```text
//! 0: r0 = 0                  replace by r0 = 10; r0 = 11
//! 1: if r1 == 1 goto +2
//! 2: r0 = 2                  prepend r0 = 20
//! 3: r0 = 3
//! 4: goto -5
//! 5: exit
//! ```
//!
//! The log has two arrays. The edits are `(0, Replace, 0..2)` and `(2, Prepend, 2..3)`: insn index,
//! kind, and where the edit's patch is in the pool. The pool is `r0 = 10; r0 = 11; r0 = 20`.
//!
//! The layout is the table from old to new indices, a prefix sum over the edits. It has the first
//! insn of what stands for each old insn, and the length of the new program at its end:
//!
//! ```text
//! old   0  1  2  3  4  5  end
//! new   0  2  3  5  6  7  8
//! ```
//!
//! The new program. The jump from 1 to 4 is now one from 2 to 6, three insns ahead; the one from 4
//! to 0 is one from 6 to 0:
//!
//! ```text
//! 0: r0 = 10
//! 1: r0 = 11
//! 2: if r1 == 1 goto +3
//! 3: r0 = 20
//! 4: r0 = 2
//! 5: r0 = 3
//! 6: goto -7
//! 7: exit
//! ```
//!
//! A session that removes insns has such a table too, in which a removed insn has the index of the
//! next one that stays. No session does both.
//!
//! All else that has insn indices takes them from the same table. The KUnit test
//! `example_of_the_documentation` runs this.
//!
//! # Rooms
//!
//! - [`edit`], [`group`], [`log`]: one edit, those of one insn, and all of a session,
//! - [`layout`]: where each insn goes,
//! - [`reference`]: which insns refer to others,
//! - [`reach`]: do references still fit, and who is to blame,
//! - [`relax`]: what becomes of jumps that do not,
//! - [`shift`]: how an array with an item for each insn moves, not too much of it in one go,
//! - [`insns`], [`relocate`], [`aux`], [`linfo`], [`subprog`], [`positions`]: one for each thing
//!   that moves, with a function `rewrite`,
//! - [`abi`]: the kernel's types and allocator.

pub(crate) mod abi;
pub(crate) mod aux;
pub(crate) mod edit;
pub(crate) mod group;
pub(crate) mod insns;
pub(crate) mod layout;
pub(crate) mod linfo;
pub(crate) mod log;
pub(crate) mod positions;
pub(crate) mod reach;
pub(crate) mod reference;
pub(crate) mod relax;
pub(crate) mod relocate;
pub(crate) mod shift;
pub(crate) mod subprog;

use abi::{
    FuncInfo,
    FuncInfoAux,
    Insn,
    InsnAux,
    LineInfo,
    Subprog, //
};
use layout::Layout;
use positions::Positions;

/// Number of insns, or of edits, after which others may run, in what takes longest.
pub(crate) const AT_ONCE: usize = 1 << 14;

/// Lets others run now and then.
pub(crate) struct Pauses<'a> {
    pause: &'a mut dyn FnMut(),
    /// Insns until then.
    left: usize,
}

impl<'a> Pauses<'a> {
    pub(crate) fn new(pause: &'a mut dyn FnMut()) -> Self {
        Self {
            pause,
            left: AT_ONCE,
        }
    }

    /// `insns` more are done.
    pub(crate) fn count(&mut self, insns: usize) {
        self.left = self.left.saturating_sub(insns);
        if self.left == 0 {
            self.left = AT_ONCE;
            (self.pause)();
        }
    }
}

/// A program and all that has insn indices into it.
pub(crate) struct Program<'a> {
    /// Room for the longer of the old and the new program.
    pub(crate) insns: &'a mut [Insn],
    pub(crate) linfo: &'a mut [LineInfo],
    /// What only a verified program has.
    pub(crate) verified: Option<Verified<'a>>,
}

/// What the verifier knows about a program.
pub(crate) struct Verified<'a> {
    /// An entry for each insn, with room as for the insns.
    pub(crate) aux: &'a mut [InsnAux],
    /// With the entry that marks the end of the program.
    pub(crate) subprogs: &'a mut [Subprog],
    /// Empty, or one for each subprog.
    pub(crate) func_info: &'a mut [FuncInfo],
    /// Likewise.
    pub(crate) func_info_aux: &'a mut [FuncInfoAux],
    pub(crate) positions: &'a mut dyn Positions,
}

/// What the new program has: how much of each array is left, at its front, and what was written.
pub(crate) struct Outcome {
    pub(crate) linfo: u32,
    /// Without the entry that marks the end of the program.
    pub(crate) subprogs: u32,
    pub(crate) func_info: u32,
    pub(crate) bytes_moved: u64,
}

impl Program<'_> {
    /// Applies the edits of `layout`, for which [`reach::check`] has passed. `zero_extends` tells
    /// whether an insn defines a 32-bit subregister, which is zero-extended then.
    ///
    /// `pause` is called between any two things that take long, for others to run. Nobody else may look
    /// at the program meanwhile.
    ///
    /// # Panics
    ///
    /// If an array is shorter than it has to be, or has an index that the old program does not
    /// have.
    pub(crate) fn rewrite(
        self,
        layout: &Layout<'_>,
        zero_extends: &impl Fn(&Insn) -> bool,
        pause: &mut dyn FnMut(),
    ) -> Outcome {
        let insns = self.insns;
        let mut outcome = Outcome {
            // As many as C counts, in a u32.
            linfo: self.linfo.len() as u32,
            subprogs: 0,
            func_info: 0,
            bytes_moved: insns::written(layout) * size_of::<Insn>() as u64,
        };
        insns::rewrite(insns, layout, pause);
        pause();
        if let Some(verified) = self.verified {
            aux::rewrite(verified.aux, insns, layout, zero_extends, pause);
            pause();
            outcome.bytes_moved += aux::written(layout) * size_of::<InsnAux>() as u64;
            if layout.moves() {
                linfo::rewrite_idx(verified.subprogs, self.linfo, layout);
                positions::rewrite(verified.positions, layout);
                pause();
            }
            let left = subprog::rewrite(
                verified.subprogs,
                verified.func_info,
                verified.func_info_aux,
                layout,
            );
            outcome.subprogs = left.subprogs;
            outcome.func_info = left.func_info;
        }
        if layout.moves() {
            outcome.linfo = linfo::rewrite(self.linfo, layout);
        }
        outcome
    }
}
