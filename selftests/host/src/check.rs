// SPDX-License-Identifier: GPL-2.0

//! A case, done by engine and model, and compared. Panics if they differ.

use crate::{
    case::{self, Bytes},
    engine::{abi::Insn, log::Log},
    host::{self, Host},
    model::{Aux, Edit, Kind, Model},
};
use kernel::{
    alloc::{fail_nth, failed},
    prelude::{EINVAL, ENOMEM, ERANGE},
};

/// Sessions on one program at most.
const SESSIONS: u32 = 5;

/// What a case came to.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally {
    pub sessions: u64,
    pub edits: u64,
    /// Edits that are refused.
    pub invalid: u64,
    /// Sessions after which a jump would not fit.
    pub too_far: u64,
    /// Those of them in which jumps were relaxed.
    pub relaxed: u64,
    /// Jumps that were relaxed.
    pub jumps: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.edits += other.edits;
        self.invalid += other.invalid;
        self.too_far += other.too_far;
        self.relaxed += other.relaxed;
        self.jumps += other.jumps;
    }
}

/// Does the case that `bytes` stand for.
pub fn check(bytes: &[u8]) -> Tally {
    let b = &mut Bytes::new(bytes);
    let source = case::program(b);
    let mut host = Host::new(&source.insns, &source.meta, source.verified, zero_extends);
    let mut model = Model::new(source.insns.iter().copied(), source.meta, zero_extends);
    let mut marker = 10_000;
    let mut tally = Tally::default();

    for _ in 0..SESSIONS {
        if tally.sessions > 0 && b.is_empty() {
            break;
        }
        let has_poke = !model.meta.poke.is_empty();
        let len = host.insns.len() as u32;
        if len == 0 {
            break;
        }
        let edits = case::session(b, len, has_poke, &mut marker);
        let fail = b.byte();
        session(&mut host, &mut model, &edits, fail, &mut tally);
    }
    tally
}

/// Some insns define 32-bit subregisters.
fn zero_extends(insn: &Insn) -> bool {
    insn.code & 0x07 == 0x04
}

/// May `second` be recorded after `first`? No session both adds and removes insns, and of what is put
/// in front of one, jumps skip what comes first.
fn follows(first: &Edit, second: &Edit) -> bool {
    let in_front_of_it = first.idx == second.idx && matches!(first.kind, Kind::Prepend { .. });
    let skips_more = matches!(
        (first.kind, second.kind),
        (
            Kind::Prepend { behind: false },
            Kind::Prepend { behind: true }
        )
    );
    first.removes() == second.removes()
        && (first.end() <= second.idx || in_front_of_it && !skips_more)
}

fn is_malformed(edit: &Edit, len: u32) -> bool {
    let (span, is_empty) = match edit.kind {
        Kind::Remove { cnt } => (u64::from(cnt), cnt == 0),
        _ => (1, edit.patch.is_empty()),
    };
    is_empty || u64::from(edit.idx) + span > u64::from(len)
}

/// Records an edit, if need be a second time when an allocation has failed. Returns whether it was
/// taken.
fn record(log: &mut Log, taken: &[Edit], edit: &Edit, fail: u8) -> bool {
    let len = log.program_len();
    fail_nth(if fail >= 192 { u32::from(fail % 4) } else { 0 });
    let mut result = host::record(log, edit);
    if failed() {
        assert_eq!(result, Err(ENOMEM), "not refused: {edit:?}");
        assert_eq!(log.edits().len(), taken.len(), "recorded: {edit:?}");
        fail_nth(0);
        result = host::record(log, edit);
    }
    fail_nth(0);
    let valid = !is_malformed(edit, len) && taken.iter().all(|t| follows(t, edit));
    let expected = if valid { Ok(()) } else { Err(EINVAL) };
    assert_eq!(result, expected, "{edit:?}");
    valid
}

/// Is it the first edit after which a jump does not fit that is to blame? Where a pass removes, an
/// edit may bring a jump back within reach; where jumps skip what is put in front, the engine does
/// not tell when that counted.
fn blame_is_told(taken: &[Edit]) -> bool {
    let skips = |e: &Edit| e.kind == Kind::Prepend { behind: true };
    !taken.iter().any(|e| e.removes() || skips(e))
}

fn session(host: &mut Host, model: &mut Model, edits: &[Edit], fail: u8, tally: &mut Tally) {
    let mut log = Log::new(host.insns.len() as u32);
    let mut taken = Vec::new();
    for (edit, i) in edits.iter().zip(0u8..) {
        if record(&mut log, &taken, edit, fail.wrapping_add(i)) {
            taken.push(edit.clone());
        } else {
            tally.invalid += 1;
        }
    }
    assert_eq!(log.edits().len(), taken.len());
    tally.sessions += 1;
    tally.edits += taken.len() as u64;

    // One of the tables, or the room for aux data.
    fail_nth(if fail % 4 == 3 {
        1 + u32::from(fail / 4 % 4)
    } else {
        0
    });
    let mut result = host.session(&log);
    if failed() {
        assert_eq!(result.unwrap_err().error(), ENOMEM);
        compare(host, model);
        fail_nth(0);
        result = host.session(&log);
    }
    fail_nth(0);

    match (result, model.session(&taken)) {
        (Ok(()), Ok(())) => {}
        (Err(refused), Err(too_far)) => {
            assert_eq!(refused.error(), ERANGE);
            if blame_is_told(&taken) {
                assert_eq!(refused.blamed(), Some(too_far.idx), "another is to blame");
            }
            tally.too_far += 1;
            compare(host, model);
            relax(host, model, &log, &taken, fail, tally);
        }
        (engine, model) => panic!("engine {engine:?}, model {model:?}"),
    }
    compare(host, model);
}

/// Does a session that was refused with its jumps relaxed.
fn relax(
    host: &mut Host,
    model: &mut Model,
    log: &Log,
    taken: &[Edit],
    fail: u8,
    tally: &mut Tally,
) {
    if taken.iter().any(Edit::removes) {
        assert_eq!(host.relaxed_session(log), Err(EINVAL));
        return;
    }
    fail_nth(if fail % 3 == 2 {
        1 + u32::from(fail / 3 % 16)
    } else {
        0
    });
    let mut result = host.relaxed_session(log);
    if failed() {
        assert_eq!(result, Err(ENOMEM));
        compare(host, model);
        fail_nth(0);
        result = host.relaxed_session(log);
    }
    fail_nth(0);
    let jumps = model.relaxed_session(taken).map_err(|()| ERANGE);
    assert_eq!(result, jumps, "jumps that were relaxed");
    if let Ok(jumps) = jumps {
        tally.relaxed += 1;
        tally.jumps += u64::from(jumps);
    }
}

fn compare(host: &mut Host, model: &Model) {
    let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
    assert_eq!(host.insns.len(), model.slots.len(), "length");
    for (idx, (ours, slot)) in host.insns.iter().zip(&model.slots).enumerate() {
        assert_eq!(key(ours), key(&slot.insn), "insn {idx}");
    }
    if let Some(aux) = host.aux() {
        for (idx, slot) in model.slots.iter().enumerate() {
            assert_eq!(Aux::of(&aux[idx]), slot.aux, "aux data of insn {idx}");
        }
    }
    assert_eq!(host.meta(), model.meta);
}
