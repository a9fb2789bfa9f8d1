// SPDX-License-Identifier: GPL-2.0

//! The ladder: programs of N context loads that grow to three instructions each, against twins of
//! N loads that stay one.

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;
use serde_json::{json, Map};

use crate::args::{LadderArgs, Plant};
use crate::bpf::insn::{exit, ldx, mov, Size};
use crate::bpf::skb;
use crate::bpf::{Detail, Spec};
use crate::kernel::mode::{Mode, Switch};
use crate::out;
use crate::suites::measure::{self, Plan};

/// Rows that `--full` measures in stock mode too.
const FULL: [usize; 2] = [45_000, 95_000];

/// Socket filter of `n` loads of the context word at `field` (bytes).
fn filter(name: &str, n: usize, field: i16) -> Spec {
    let mut insns = vec![ldx(Size::W, 0, 1, field); n];
    insns.extend([mov(0, 0), exit()]);
    Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, &format!("{name}_{n}"), insns)
}

/// The program of a row: `n` loads that become three instructions each.
pub fn conversions(n: usize) -> Spec {
    filter("ladder", n, skb::IFINDEX)
}

/// Its twin: `n` loads that stay one instruction each.
pub fn twin(n: usize) -> Spec {
    filter("twin", n, skb::LEN)
}

/// Loads a row takes in each mode when the user does not say: fewer where one takes long.
fn default_rounds(n: usize, both: bool) -> usize {
    match (n, both) {
        (0..=5_000, _) | (0..=95_000, false) => 7,
        (0..=15_000, true) | (0..=195_000, false) => 3,
        (_, false) => 2,
        // Minutes a load in stock mode.
        (_, true) => 1,
    }
}

/// Runs the command; true when no row differed or failed.
///
/// # Errors
///
/// See [`measure::run`].
pub fn run(args: &LadderArgs) -> io::Result<bool> {
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let mut rows: Vec<(usize, bool)> = args.both_n.iter().map(|&n| (n, true)).collect();
    rows.extend(
        args.patched_n
            .iter()
            .map(|&n| (n, args.full && FULL.contains(&n))),
    );

    let (mut good, mut bad) = (0, 0);
    for (n, both) in rows {
        let rounds = args
            .rounds
            .unwrap_or_else(|| default_rounds(n, both))
            .max(1);
        if row(&mut switch, n, both, rounds, None)? {
            good += 1;
        } else {
            bad += 1;
        }
    }
    out::json(&json!({ "summary": {
        "command": "ladder", "rows": good + bad, "good": good, "bad": bad, "full": args.full,
    }}));
    Ok(bad == 0 && good > 0)
}

/// Measures one row, prints it, and says whether it is as it should be.
///
/// # Errors
///
/// See [`measure::run`].
pub fn row(
    switch: &mut Switch,
    n: usize,
    both: bool,
    rounds: usize,
    plant: Option<Plant>,
) -> io::Result<bool> {
    let modes = switch.modes_for(both);
    out::progress(&format!(
        "ladder: N={n}, {rounds} rounds of {}",
        names(modes)
    ));
    let mut json = Map::from_iter([("n".to_owned(), json!(n))]);
    if modes.is_empty() {
        json.insert("skipped".into(), json!("this kernel has no patcher"));
        out::json(&json!({ "ladder": json }));
        return Ok(true);
    }

    // The instructions of the big ones are too many for the kernel to report.
    let detail = if both { Detail::Full } else { Detail::Length };
    let twin = twin(n);
    let plan = Plan {
        modes,
        rounds,
        detail,
        twin: Some(&twin),
        plant,
    };
    let spec = conversions(n);
    let row = measure::run(switch, &spec, &plan)?;
    let good = row.loaded && row.identical != Some(false) && row.rewritten && !row.missed();
    json.extend(row.json);
    json.insert("good".into(), json!(good));
    out::json(&json!({ "ladder": json }));
    Ok(good)
}

fn names(modes: &[Mode]) -> String {
    let mut names: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
    names.push("twin");
    names.join(", ")
}
