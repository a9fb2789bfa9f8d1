// SPDX-License-Identifier: GPL-2.0

//! Is a program that was rewritten still the one that was verified?
//!
//! Sessions are compared one at a time. What that cannot show is what a pass concludes from what an
//! earlier one has left: of a jump that was relaxed, dead code that went, or aux data that has moved to
//! another insn. So the program is remembered as the verifier has accepted it, and judged when all passes
//! are done, and once more when it was blinded. Nothing is shared with the engine or with `replay`, and
//! no log is looked at: it holds for edits that are applied at once as well.
//!
//! For example, the verifier has accepted
//!
//! ```text
//! 3: if r0 > 10 goto 9    never taken: 9 was not reached
//! 4: r7 = r0
//! ```
//!
//! and the program has `if r0 <= 10 goto +1; gotol 5` for insn 3, as the jump was relaxed and insn 9
//! removed. A way leads from 3 to what stands for insn 8, which is neither 4 nor 9: a fault.
//!
//! - `accepted`: the program before the first pass, and what the verifier knew of it,
//! - `places`: what stands for each of its insns now,
//! - `flow`: ways through what stands for an insn,
//! - `judge`: jumps, calls and barriers,
//! - `positions`: line info, subprogs, insn arrays and poke descriptors.

mod accepted;
mod flow;
mod judge;
mod places;
mod positions;

use crate::engine::{
    host::Host,
    Program,
    PAUSE_EVERY, //
};
use core::ffi::CStr;
use judge::Judge;
use kernel::prelude::*;
use places::Places;

pub(crate) use accepted::Accepted;

/// What is wrong with a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) what: &'static CStr,
    /// The accepted insn that it is about; `u32::MAX` for none. Of line info and the like, their index.
    pub(crate) insn: u32,
    /// Where that is now; `u32::MAX` for nowhere.
    pub(crate) at: u32,
}

impl Fault {
    fn new(what: &'static CStr, insn: u32, at: u32) -> Self {
        Self { what, insn, at }
    }
}

/// Why judging has ended.
pub(crate) enum Stop {
    Fault(Fault),
    Error(Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

type Judged<T = ()> = Result<T, Stop>;

/// What a program has besides what the engine changes.
pub(crate) struct Besides<'a> {
    /// Number of insns that were put in front of the program before its first insn was rewritten.
    pub(crate) prologue: u32,
    /// Number of subprogs behind those that were accepted.
    pub(crate) hidden: u32,
    /// Positions of poke descriptors.
    pub(crate) poke: &'a [u32],
}

/// Judges `program`, which was `accepted`.
///
/// # Errors
///
/// The first fault; `ENOMEM`.
pub(crate) fn judge<H: Host>(
    accepted: &Accepted,
    program: &mut Program<'_>,
    host: &mut H,
    besides: &Besides<'_>,
) -> Judged {
    let insns = &*program.insns;
    let Some(verified) = program.verified.as_mut() else {
        return Ok(());
    };
    // As many as C counts, in a u32.
    let places = Places::find(accepted, verified.aux, insns.len() as u32)?;
    let mut judge = Judge::new(accepted, insns, &places, besides.prologue)?;
    let each = |host: &mut H, judge_insn: &mut dyn FnMut(u32) -> Judged| {
        (0..accepted.len()).try_for_each(|i| {
            if i % PAUSE_EVERY as u32 == 0 {
                host.pause();
            }
            judge_insn(i)
        })
    };
    each(host, &mut |i| judge.references(i, verified.subprogs))?;
    positions::judge(&mut judge, program.linfo, verified, host, besides)?;
    each(host, &mut |i| judge.barriers(i))
}
