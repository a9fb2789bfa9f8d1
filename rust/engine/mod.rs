// SPDX-License-Identifier: GPL-2.0

//! The engine: applies all edits of a session to a program in one step, in linear time.
//!
//! It works on slices and knows nothing of C, sessions or statistics; what else it needs, it asks
//! its [`Host`] for. The order is: record edits in a [`Log`](log::Log), compute their
//! [`Layout`](layout::Layout), check that references still [reach](reach::check), make room, then
//! change the [`Program`]. Nothing fails from there on.
//!
//! # Example
//!
//! A program has 6 insns. Insn 0 becomes two, and one is put before insn 2. The layout is the table
//! from old to new indices, a prefix sum over the edits: the first insn of what stands for each old
//! insn and, at its end, the length of the new program:
//!
//! ```text
//! old   0  1  2  3  4  5  end
//! new   0  2  3  5  6  7  8
//! ```
//!
//! A jump from 1 to 4 is now one from 2 to 6. `Documentation/how-it-works.svg` shows all of it.
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
//! - [`host`]: what the engine asks of whoever has the program,
//! - [`shift`]: how an array with an item for each insn moves, not too much of it in one go,
//! - [`insns`], [`relocate`], [`aux`], [`linfo`], [`subprog`], [`positions`]: one for each thing
//!   that moves, with a function `rewrite`,
//! - [`abi`]: the kernel's types and allocator.

pub(crate) mod abi;
pub(crate) mod aux;
pub(crate) mod edit;
pub(crate) mod group;
pub(crate) mod host;
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
use host::Host;
use layout::Layout;

/// Edits or insns handled between two calls of [`Host::pause`].
pub(crate) const PAUSE_EVERY: usize = 1 << 14;

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
}

/// What the new program has: how much of each array is left, at its front.
pub(crate) struct Outcome {
    pub(crate) linfo: u32,
    /// Without the entry that marks the end of the program.
    pub(crate) subprogs: u32,
    pub(crate) func_info: u32,
}

impl Program<'_> {
    /// Applies the edits of `layout`, for which [`reach::check`] has passed. The host may let others
    /// run between any two things that take long.
    ///
    /// # Panics
    ///
    /// If an array is shorter than it has to be, or has an index that the old program does not
    /// have.
    pub(crate) fn rewrite(self, layout: &Layout<'_>, host: &mut impl Host) -> Outcome {
        let insns = self.insns;
        let mut outcome = Outcome {
            // As many as C counts, in a u32.
            linfo: self.linfo.len() as u32,
            subprogs: 0,
            func_info: 0,
        };
        insns::rewrite(insns, layout, host);
        host.pause();
        if let Some(verified) = self.verified {
            aux::rewrite(verified.aux, insns, layout, host);
            host.pause();
            if layout.moves() {
                linfo::rewrite_idx(verified.subprogs, self.linfo, layout);
                positions::rewrite(host, layout);
                host.pause();
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
