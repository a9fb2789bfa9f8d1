// SPDX-License-Identifier: GPL-2.0

//! The order in which the parts of a program are rewritten.

use super::{
    abi::{
        FuncInfo,
        FuncInfoAux,
        Insn,
        LineInfo,
        PokeDesc,
        Subprog, //
    },
    aux::Aux,
    insns,
    jumps,
    layout::Layout,
    linfo,
    log::Log,
    subprog,
    track, //
};

/// A program and all that has insn indices into it, as slices.
pub(crate) struct Program<'a> {
    /// Room for the longer of the old and the new program.
    pub(crate) insns: &'a mut [Insn],
    pub(crate) linfo: &'a mut [LineInfo],
    /// What only a verified program has.
    pub(crate) verified: Option<Verified<'a>>,
}

/// What the verifier knows about a program.
pub(crate) struct Verified<'a> {
    pub(crate) aux: Aux<'a>,
    /// With the entry that marks the end of the program.
    pub(crate) subprogs: &'a mut [Subprog],
    pub(crate) func_info: &'a mut [FuncInfo],
    pub(crate) func_info_aux: &'a mut [FuncInfoAux],
    pub(crate) poke: &'a mut [PokeDesc],
}

/// How much of the arrays is left, at their fronts, and what was written.
pub(crate) struct Outcome {
    pub(crate) linfo: u32,
    /// Without the entry that marks the end of the program.
    pub(crate) subprogs: u32,
    pub(crate) func_info: u32,
    pub(crate) bytes_moved: u64,
}

/// Applies the edits of `log`, whose layout is `layout`. Cannot fail: `jumps::check` has passed.
/// Insn arrays are left to the caller, who has them one by one.
pub(crate) fn apply(
    program: Program<'_>,
    layout: &Layout<'_>,
    log: &Log,
    zero_extends: &dyn Fn(&Insn) -> bool,
) -> Outcome {
    let insns = program.insns;
    let written = insns::rewrite(insns, layout, log);
    jumps::adjust(insns, layout);

    let mut outcome = Outcome {
        linfo: 0,
        subprogs: 0,
        func_info: 0,
        bytes_moved: written * size_of::<Insn>() as u64,
    };
    if let Some(verified) = program.verified {
        let written = verified.aux.rewrite(insns, layout, zero_extends);
        outcome.bytes_moved += written * size_of::<u32>() as u64;

        linfo::adjust_subprogs(verified.subprogs, program.linfo, layout);
        let left = subprog::rewrite(
            verified.subprogs,
            verified.func_info,
            verified.func_info_aux,
            layout,
        );
        outcome.subprogs = left.subprogs;
        outcome.func_info = left.func_info;
        track::poke(verified.poke, layout);
    }
    outcome.linfo = linfo::rewrite(program.linfo, layout);
    outcome
}
