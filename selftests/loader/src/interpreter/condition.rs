// SPDX-License-Identifier: GPL-2.0

//! Conditions of jumps.

use crate::bpf::insn::{Cond, Width};

/// Does the condition hold? Both operands have 64 bits, of which a 32-bit comparison sees the lower half.
pub fn holds(cond: Cond, width: Width, left: u64, right: u64) -> bool {
    let (left, right, signed) = match width {
        Width::W64 => (left, right, (left as i64, right as i64)),
        Width::W32 => {
            let (left, right) = (left as u32, right as u32);
            let signed = (i64::from(left as i32), i64::from(right as i32));
            (u64::from(left), u64::from(right), signed)
        }
    };
    match cond {
        Cond::Always => true,
        Cond::Eq => left == right,
        Cond::Ne => left != right,
        Cond::Set => left & right != 0,
        Cond::Gt => left > right,
        Cond::Ge => left >= right,
        Cond::Lt => left < right,
        Cond::Le => left <= right,
        Cond::Sgt => signed.0 > signed.1,
        Cond::Sge => signed.0 >= signed.1,
        Cond::Slt => signed.0 < signed.1,
        Cond::Sle => signed.0 <= signed.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Cond::{Eq, Ge, Gt, Le, Lt, Ne, Set, Sge, Sgt, Sle, Slt};
    use Width::{W32, W64};

    /// Those that hold are the ones named.
    fn hold(width: Width, left: u64, right: u64, named: &[Cond]) {
        for cond in Cond::ALL {
            let expected = named.contains(&cond);
            let said = holds(cond, width, left, right);
            assert_eq!(said, expected, "{cond:?} {width:?} {left:#x} {right:#x}");
        }
    }

    #[test]
    fn same_in_both_widths() {
        for width in [W32, W64] {
            hold(width, 5, 5, &[Eq, Set, Ge, Le, Sge, Sle]);
            hold(width, 4, 5, &[Ne, Set, Lt, Le, Slt, Sle]);
            hold(width, 5, 2, &[Ne, Gt, Ge, Sgt, Sge]);
            // Less by sign, more without.
            hold(width, u64::MAX, 1, &[Ne, Set, Gt, Ge, Slt, Sle]);
            hold(width, 2, u64::MAX, &[Ne, Set, Lt, Le, Sgt, Sge]);
        }
    }

    #[test]
    fn other_in_each_width() {
        // Equal in the lower halves.
        hold(W64, 1 << 32 | 8, 8, &[Ne, Set, Gt, Ge, Sgt, Sge]);
        hold(W32, 1 << 32 | 8, 8, &[Eq, Set, Ge, Le, Sge, Sle]);
        // The sign of the lower half.
        hold(W64, 0x8000_0000, 1, &[Ne, Gt, Ge, Sgt, Sge]);
        hold(W32, 0x8000_0000, 1, &[Ne, Gt, Ge, Slt, Sle]);
        // A bit of the upper half.
        hold(W64, 1 << 40, 1 << 40, &[Eq, Set, Ge, Le, Sge, Sle]);
        hold(W32, 1 << 40, 1 << 40, &[Eq, Ge, Le, Sge, Sle]);
    }
}
