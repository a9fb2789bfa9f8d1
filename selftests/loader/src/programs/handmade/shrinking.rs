// SPDX-License-Identifier: GPL-2.0

//! Programs of which insns are removed.

use super::filter;
use crate::bpf::insn::Size::W;
use crate::bpf::insn::{exit, ja, jmp, ldx, may_goto, mov, Cond};
use crate::bpf::skb::{IFINDEX, LEN};
use crate::bpf::Spec;

/// Dead code and jumps that do nothing.
pub fn shrinking() -> Vec<Spec> {
    // Never true, which only verification finds out.
    let never = |off| [mov(7, 0), jmp(Cond::Ne, 7, 0, off)];
    let always = |off| [mov(7, 0), jmp(Cond::Eq, 7, 0, off)];
    let ctx = ldx(W, 0, 1, IFINDEX);
    vec![
        filter(
            "dead_code",
            &[
                &always(2)[..],
                &[mov(0, 1), mov(0, 2), ctx],
                &never(1),
                &[ja(2), mov(0, 3), mov(0, 4)],
                &always(1),
                &[mov(0, 5), ctx, mov(0, 0), exit()],
            ]
            .concat(),
        ),
        // Dead runs at the start, in a row, and just before the end.
        filter(
            "dead_code_edges",
            &[
                &always(1)[..],
                &[mov(0, 1)],
                &always(1),
                &[mov(0, 2), ctx, mov(0, 0)],
                &always(1),
                &[mov(0, 3), exit()],
            ]
            .concat(),
        ),
        filter(
            "nops",
            &[
                ja(0),
                mov(0, 0),
                ja(0),
                ja(0),
                ctx,
                ja(0),
                mov(0, 0),
                exit(),
            ],
        ),
        // The second jump goes, which leaves a first one that would go too, had it been looked at
        // again; the first is jumped to behind it so that both are reachable.
        filter(
            "nop_after_jump",
            &[
                ldx(W, 0, 1, LEN),
                jmp(Cond::Gt, 0, 9, 1),
                ja(1),
                ja(0),
                mov(0, 0),
                exit(),
            ],
        ),
        filter(
            "may_goto_nops",
            &[
                may_goto(1),
                may_goto(0),
                mov(0, 0),
                may_goto(2),
                may_goto(1),
                may_goto(0),
                exit(),
            ],
        ),
        filter(
            "may_goto_over_nop",
            &[may_goto(1), ja(0), mov(0, 0), may_goto(0), exit()],
        ),
    ]
}
