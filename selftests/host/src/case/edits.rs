// SPDX-License-Identifier: GPL-2.0

//! The edits of a session, in the order in which they are recorded.

use super::{
    program::{any, IS_SHORT, REACH},
    Bytes,
};
use crate::model::{Edit, Kind};

/// Insns of a patch at most; the verifier's buffer has room for 32.
const PATCH: u32 = 12;

/// What a patch leads to.
fn patch(b: &mut Bytes<'_>, len: u32, idx: u32, kind: Kind, marker: &mut u32) -> Edit {
    let cnt = 1 + match b.byte() {
        // Mostly short ones
        size @ 0..=199 => u32::from(size % 4),
        _ => b.below(PATCH),
    };
    let added = match kind {
        Kind::Prepend { .. } => cnt,
        _ => cnt - 1,
    };
    let insns = (0..cnt).map(|k| {
        let kind = b.byte();
        // In insns of the program with only this patch.
        let to = match b.byte() {
            inside @ 0..=99 => idx + u32::from(inside) % (added + 1),
            100 if len > REACH => idx.saturating_sub(REACH),
            101 if len > REACH => (idx + REACH).min(len),
            outside => {
                let old = match len {
                    0..=REACH => u32::from(outside) % (len + 1),
                    _ => b.below(len + 1),
                };
                if old > idx {
                    old + added
                } else {
                    old
                }
            }
        };
        *marker += 1;
        any(kind, i64::from(to) - i64::from(idx + k) - 1, *marker)
    });
    Edit {
        idx,
        kind,
        patch: insns.collect(),
    }
}

/// Edits of one insn or, if the session `removes`, of a run; at most one of a run.
fn group(
    b: &mut Bytes<'_>,
    len: u32,
    idx: u32,
    removes: bool,
    marker: &mut u32,
    edits: &mut Vec<Edit>,
) {
    let shape = b.byte();
    if removes {
        let cnt = 1 + u32::from(shape) % 6;
        edits.push(Edit {
            idx,
            kind: Kind::Remove {
                cnt: cnt.min(len - idx),
            },
            patch: Vec::new(),
        });
        return;
    }
    let behind = shape & 4 != 0;
    let to_body = shape & 8 != 0;
    let prepends = [0, 0, 1, 2][usize::from(shape & 3)];
    for i in 0..prepends {
        // What jumps skip comes first.
        let kind = Kind::Prepend {
            behind: behind && (i == 0 || shape & 16 != 0),
        };
        edits.push(patch(b, len, idx, kind, marker));
    }
    if prepends == 0 || shape & 32 != 0 {
        edits.push(patch(b, len, idx, Kind::Replace { to_body }, marker));
    }
}

/// Edits that are as they should not be.
fn wild(b: &mut Bytes<'_>, len: u32, has_poke: bool, marker: &mut u32) -> Edit {
    let idx = match b.byte() {
        255 => u32::MAX,
        _ => b.below(len + 2),
    };
    let mut edit = match b.byte() {
        shape if shape < 100 || has_poke => {
            patch(b, len, idx.min(len), prepend_or_replace(shape), marker)
        }
        _ => Edit {
            idx,
            kind: Kind::Remove {
                cnt: [0, 1, 1, 2, 3, len, len + 1, u32::MAX][b.below(8) as usize],
            },
            patch: Vec::new(),
        },
    };
    edit.idx = idx;
    if b.byte() > 240 {
        edit.patch.clear();
    }
    edit
}

fn prepend_or_replace(shape: u8) -> Kind {
    match shape % 8 {
        0 => Kind::Prepend { behind: true },
        2 | 4 | 6 => Kind::Prepend { behind: false },
        _ => Kind::Replace { to_body: false },
    }
}

/// Edits for a program of `len` insns. `has_poke` if it has tail calls that are patched, when no
/// pass removes insns.
pub(crate) fn session(b: &mut Bytes<'_>, len: u32, has_poke: bool, marker: &mut u32) -> Vec<Edit> {
    let shape = b.byte();
    let mut edits = Vec::new();
    if shape % 8 == 7 {
        for _ in 0..1 + b.below(6) {
            edits.push(wild(b, len, has_poke, marker));
        }
        return edits;
    }

    let removes = !has_poke && shape & 0x30 == 0x30;
    let every = match len {
        0..=REACH => 6,
        _ if IS_SHORT => 16,
        _ => len / 4,
    };
    let mut idx = b.below(every);
    for _ in 0..1 + b.below(16) {
        if idx >= len {
            break;
        }
        group(b, len, idx, removes, marker, &mut edits);
        idx = edits.last().map_or(idx + 1, Edit::end) + b.below(every);
    }
    if shape % 64 == 6 {
        // Backwards, except the edits of one insn: all but the first are refused.
        let groups = edits.chunk_by(|a, b| a.idx == b.idx);
        edits = groups.rev().flatten().cloned().collect();
    }
    edits
}
