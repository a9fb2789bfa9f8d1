// SPDX-License-Identifier: GPL-2.0

//! Which accesses to its context a type of program is allowed: the kernel is asked with a small
//! program for each.
//!
//! The verifier's tables depend on the type, the place of attachment, the user and the kernel, and it is
//! the narrow and the odd accesses that matter here; a table of our own would know fewer.

use crate::bpf::insn::Size::{self, B, DW, H, W};
use crate::bpf::insn::{alu_imm, exit, ldsx, ldx, mov, st, stx, Insn, Op, Width};
use crate::bpf::{self, Spec};
use crate::programs::generator::kinds::Kind;

/// Bytes of the largest context, rounded up.
const LARGEST: i16 = 232;
/// The context while asking.
const CTX: u8 = 1;

/// Size and offset of an access, in bytes.
pub type Place = (Size, i16);

/// The allowed accesses that have to do with numbers; fields that are pointers are left out.
#[derive(Default)]
pub struct Fields {
    pub loads: Vec<Place>,
    /// Loads that extend the sign.
    pub signed: Vec<Place>,
    pub stores: Vec<Place>,
    /// Stores of a constant.
    pub constants: Vec<Place>,
}

impl Fields {
    pub fn ask(kind: &Kind, unprivileged: bool) -> Self {
        let result = kind.results.first().copied().unwrap_or(0);
        let loads = |insns: &[Insn]| {
            // A pointer does not survive this.
            let tail = [alu_imm(Width::W64, Op::And, 0, 1), mov(0, result), exit()];
            accepted(kind, unprivileged, &[insns, &tail].concat())
        };
        let stores = |insn: Insn| {
            let insns = [mov(2, 0), insn, mov(0, result), exit()];
            accepted(kind, unprivileged, &insns)
        };
        let mut fields = Self::default();
        for size in [B, H, W, DW] {
            for off in (0..LARGEST).step_by(size.bytes() as usize) {
                let place = (size, off);
                if loads(&[ldx(size, 0, CTX, off)]) {
                    fields.loads.push(place);
                    if size != DW && loads(&[ldsx(size, 0, CTX, off)]) {
                        fields.signed.push(place);
                    }
                }
                if stores(stx(size, CTX, off, 2)) {
                    fields.stores.push(place);
                    if stores(st(size, CTX, off, 0)) {
                        fields.constants.push(place);
                    }
                }
            }
        }
        fields
    }
}

fn accepted(kind: &Kind, unprivileged: bool, insns: &[Insn]) -> bool {
    let spec = Spec {
        name: "ask".to_owned(),
        kind: kind.kind,
        attach: kind.attach,
        insns: insns.to_vec(),
        unprivileged,
        ..Spec::default()
    };
    bpf::load(&spec).is_ok()
}
