// SPDX-License-Identifier: GPL-2.0

//! Families: programs of N edits of one kind, for each thing that is rewritten, and their twins.

mod growing;
mod jited;
mod loops;
mod policy;
mod program;
mod shrinking;
mod table;

use std::io;

pub use growing::context_loads;
pub use policy::{policy, Check};
pub use program::Program;
pub use table::{Family, FAMILIES};

/// A program of `n` edits of each family that is not only for when it is named. Some need a JIT.
///
/// # Errors
///
/// What the kernel says about a map.
pub fn all(n: usize, has_jit: bool) -> io::Result<Vec<Program>> {
    let families = FAMILIES
        .iter()
        .filter(|family| !family.n.is_empty() && (has_jit || !family.needs_jit));
    families.map(|family| (family.make)(n)).collect()
}
