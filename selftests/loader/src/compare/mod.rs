// SPDX-License-Identifier: GPL-2.0

//! Is what the kernel reports about two loads of one program the same?

pub mod drawn;
pub mod normalise;

use crate::bpf::insn::Insn;
use crate::bpf::{Records, Report};
use normalise::for_one_kernel;

/// First difference between two reports on the program `given`, in words; None when identical.
///
/// The instructions are compared without addresses that belong to one load; see
/// [`crate::compare::normalise`]. A report without instructions is never identical to anything.
pub fn difference(given: &[Insn], a: &Report, b: &Report) -> Option<String> {
    let (Some(xa), Some(xb)) = (&a.xlated, &b.xlated) else {
        return Some("instructions not reported".to_owned());
    };
    insns(&for_one_kernel(given, xa), &for_one_kernel(given, xb))
        .or_else(|| records("line info", &a.line_info, &b.line_info))
        .or_else(|| records("func info", &a.func_info, &b.func_info))
        .or_else(|| (a.tags != b.tags).then(|| format!("tags {:x?} and {:x?}", a.tags, b.tags)))
        .or_else(|| {
            let (a, b) = (a.verified_insns, b.verified_insns);
            (a != b).then(|| format!("verified insns {a} and {b}"))
        })
        .or_else(|| {
            let (a, b) = (&a.map_ids, &b.map_ids);
            (a != b).then(|| format!("map ids {a:?} and {b:?}"))
        })
}

fn insns(a: &[Insn], b: &[Insn]) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("{} and {} insns", a.len(), b.len()));
    }
    let at = a.iter().zip(b).position(|(a, b)| a != b)?;
    Some(format!("insn {at}: {:x?} and {:x?}", a[at], b[at]))
}

fn records(what: &str, a: &Records, b: &Records) -> Option<String> {
    if a == b {
        return None;
    }
    if a.size != b.size || a.count() != b.count() {
        return Some(format!("{what}: {} and {} records", a.count(), b.count()));
    }
    let (mut ra, mut rb) = (a.bytes.chunks_exact(a.size), b.bytes.chunks_exact(b.size));
    let mut pairs = ra.by_ref().zip(rb.by_ref());
    let at = pairs.position(|(a, b)| a != b)?;
    let record = |r: &Records| hex(&r.bytes[at * r.size..(at + 1) * r.size]);
    Some(format!(
        "{what} record {at}: {} and {}",
        record(a),
        record(b)
    ))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::insn::{exit, mov};

    fn sample() -> Report {
        Report {
            insns: 2,
            xlated: Some([mov(0, 1).bytes(), exit().bytes()].concat()),
            func_info: Records {
                size: 2,
                bytes: vec![0, 1],
            },
            line_info: Records {
                size: 2,
                bytes: vec![0, 1, 2, 3],
            },
            tags: vec![[1; 8]],
            verified_insns: 2,
            map_ids: vec![3],
        }
    }

    /// Each way to spoil a report is seen, and named.
    #[test]
    fn every_field_counts() {
        type Spoil = (&'static str, fn(&mut Report));
        let spoils: [Spoil; 8] = [
            ("insn 1", |r| r.xlated.as_mut().unwrap()[12] ^= 1),
            ("2 and 1 insns", |r| r.xlated.as_mut().unwrap().truncate(8)),
            ("not reported", |r| r.xlated = None),
            ("line info record 1", |r| r.line_info.bytes[3] = 9),
            ("func info: 1 and 0 records", |r| r.func_info.bytes.clear()),
            ("tags", |r| r.tags[0][0] = 9),
            ("verified insns", |r| r.verified_insns = 9),
            ("map ids", |r| r.map_ids.clear()),
        ];
        assert_eq!(difference(&[], &sample(), &sample()), None);
        for (expected, spoil) in spoils {
            let mut other = sample();
            spoil(&mut other);
            let said = difference(&[], &sample(), &other).expect(expected);
            assert!(said.contains(expected), "{said}");
        }
    }
}
