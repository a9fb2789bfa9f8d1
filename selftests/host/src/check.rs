// SPDX-License-Identifier: GPL-2.0

//! A case, done by engine and model, and compared. Panics if they differ.

use crate::{
    abi::Insn,
    case::{self, Bytes},
    host::{self, Host},
    log::Log,
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
    /// Sessions with edits that do not go together.
    pub invalid: u64,
    /// Sessions after which a jump would not fit.
    pub too_far: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.edits += other.edits;
        self.invalid += other.invalid;
        self.too_far += other.too_far;
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

/// May edits of one session stand side by side? They are in the order in which they were recorded.
fn conflict(first: &Edit, second: &Edit) -> bool {
    if first.idx == second.idx && matches!(first.kind, Kind::Prepend { .. }) {
        return matches!(second.kind, Kind::Remove { .. });
    }
    first.idx < second.end() && second.idx < first.end()
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
    if is_malformed(edit, len) {
        assert_eq!(result, Err(EINVAL), "malformed: {edit:?}");
        return false;
    }
    let conflicts = taken.iter().any(|t| conflict(t, edit));
    let forward = taken.windows(2).all(|w| w[0].idx <= w[1].idx)
        && taken.last().is_none_or(|t| t.idx <= edit.idx);
    match result {
        Ok(()) => assert!(!conflicts || !forward, "taken: {edit:?}"),
        Err(error) => {
            assert_eq!(error, EINVAL);
            assert!(conflicts, "refused: {edit:?}");
        }
    }
    result.is_ok()
}

/// Is it the first edit after which a jump does not fit that is to blame? Where a pass removes, an
/// edit may bring a jump back within reach; where jumps skip what is put in front, the engine does
/// not tell when that counted.
fn blame_is_told(taken: &[Edit]) -> bool {
    let only_grows =
        |e: &Edit| !matches!(e.kind, Kind::Remove { .. } | Kind::Prepend { behind: true });
    taken.iter().all(only_grows)
}

fn session(host: &mut Host, model: &mut Model, edits: &[Edit], fail: u8, tally: &mut Tally) {
    let mut log = Log::new(host.insns.len() as u32);
    let mut taken = Vec::new();
    for (edit, i) in edits.iter().zip(0u8..) {
        if record(&mut log, &taken, edit, fail.wrapping_add(i)) {
            taken.push(edit.clone());
        }
    }
    assert_eq!(log.edits().len(), taken.len());
    tally.sessions += 1;
    tally.edits += taken.len() as u64;

    let valid = (1..taken.len()).all(|i| taken[..i].iter().all(|t| !conflict(t, &taken[i])));
    fail_nth(u32::from(fail % 4 == 3));
    let mut result = host.session(&mut log);
    if failed() {
        assert_eq!(result.as_ref().unwrap_err().error, ENOMEM);
        compare(host, model);
        result = host.session(&mut log);
    }
    fail_nth(0);
    if !valid {
        let refused = result.expect_err("edits that overlap were applied");
        assert!(host::is_invalid(&refused), "{refused:?}");
        tally.invalid += 1;
        return compare(host, model);
    }

    // Little depends on the order in which edits were recorded: what references into removed runs
    // come to, and whether a jump does not fit until it is replaced. Both are as from the front.
    taken.sort_by_key(|e| e.idx);
    match (result, model.session(&taken)) {
        (Ok(()), Ok(())) => {}
        (Err(refused), Err(too_far)) => {
            assert_eq!(refused.error, ERANGE);
            if blame_is_told(&taken) {
                assert_eq!(refused.insn, Some(too_far.idx), "another is to blame");
            }
            tally.too_far += 1;
        }
        (engine, model) => panic!("engine {engine:?}, model {model:?}"),
    }
    compare(host, model);
}

fn compare(host: &Host, model: &Model) {
    let key = |i: &Insn| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm);
    assert_eq!(host.insns.len(), model.slots.len(), "length");
    for (idx, (ours, slot)) in host.insns.iter().zip(&model.slots).enumerate() {
        assert_eq!(key(ours), key(&slot.insn), "insn {idx}");
        if let Some(aux) = host.aux(idx) {
            let (ours, aux) = (Aux::of(aux).as_compared(), slot.aux.as_compared());
            assert_eq!(ours, aux, "aux data of insn {idx}");
        }
    }
    assert_eq!(host.meta(), model.meta);
    host.assert_slots();
}
