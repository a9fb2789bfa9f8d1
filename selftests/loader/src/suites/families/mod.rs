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
use std::os::fd::AsFd;

use serde_json::{json, Map, Value};

use crate::args::FamilyArgs;
use crate::bpf::{self, Detail};
use crate::kernel::jit;
use crate::kernel::mode::{Mode, Switch};
use crate::out;
use crate::suites::measure::{self, Plan};
pub use policy::policy;
use policy::Check;
pub use program::Program;
use table::{Family, FAMILIES};

/// Runs the command; true when every row is as it should be.
///
/// # Errors
///
/// An unknown name, a mode that cannot be read, a JIT that cannot be turned on.
pub fn run(args: &FamilyArgs) -> io::Result<bool> {
    if args.list {
        for family in &FAMILIES {
            out::progress(&format!("{}: {}", family.name, family.what));
        }
        return Ok(true);
    }
    let unknown = |name: &&String| FAMILIES.iter().all(|family| family.name != **name);
    if let Some(name) = args.only.iter().find(unknown) {
        return Err(io::Error::other(format!("there is no family '{name}'")));
    }
    let mut switch = Switch::open()?;
    out::json(&json!({ "kernel": switch.kernel() }));
    let jit = jit::on()?;
    let (mut rows, mut bad) = (0, 0);
    for family in &FAMILIES {
        if !args.only.is_empty() && !args.only.iter().any(|name| name == family.name) {
            continue;
        }
        let all = if args.n.is_empty() { family.n } else { &args.n };
        let own = |&&n: &&usize| !args.n.is_empty() || n <= args.max;
        for &n in all.iter().filter(own) {
            rows += 1;
            bad += usize::from(!row(&mut switch, family, n, jit.is_some(), args));
        }
    }
    out::json(&json!({ "summary": { "command": "families", "rows": rows, "bad": bad } }));
    Ok(bad == 0 && rows > 0)
}

/// A program of `n` edits of each family. Some need a JIT.
///
/// # Errors
///
/// What the kernel says about a map.
pub fn all(n: usize, has_jit: bool) -> io::Result<Vec<Program>> {
    let families = FAMILIES
        .iter()
        .filter(|family| has_jit || !family.needs_jit);
    families.map(|family| (family.make)(n)).collect()
}

/// Measures one row, prints it, and says whether it is as it should be.
fn row(switch: &mut Switch, family: &Family, n: usize, has_jit: bool, args: &FamilyArgs) -> bool {
    let mut json = Map::from_iter([
        ("family".to_owned(), json!(family.name)),
        ("n".to_owned(), json!(n)),
    ]);
    let both = n <= args.stock_max.unwrap_or(family.stock_max);
    let skipped = if family.needs_jit && !has_jit {
        Some("this kernel has no JIT")
    } else if switch.modes_for(both).is_empty() {
        Some("this kernel has no patcher")
    } else if n > family.most {
        Some("the verifier does not take so many")
    } else {
        None
    };
    let good = match skipped {
        Some(reason) => {
            json.insert("skipped".into(), json!(reason));
            true
        }
        None => measured(switch, family, n, both, args, &mut json).unwrap_or_else(|err| {
            json.insert("error".into(), json!(err.to_string()));
            false
        }),
    };
    json.insert("good".into(), json!(good));
    out::json(&json!({ "family": json }));
    good
}

/// Loads a program of a family, and adds what came of it to its row.
///
/// # Errors
///
/// See [`measure::run`]; also what the kernel says about a map.
fn measured(
    switch: &mut Switch,
    family: &Family,
    n: usize,
    both: bool,
    args: &FamilyArgs,
    json: &mut Map<String, Value>,
) -> io::Result<bool> {
    let rounds = args.rounds.unwrap_or(if n > 45_000 { 1 } else { 3 }).max(1);
    let modes = switch.modes_for(both);
    let names: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
    let (name, names) = (family.name, names.join(", "));
    out::progress(&format!("{name}: N={n}, {rounds} rounds of {names}, twin"));
    let mut program = (family.make)(n)?;
    if let (Some(check), true) = (&mut program.check, args.plant) {
        check.plant();
    }
    let plan = Plan {
        modes,
        rounds,
        detail: if modes.len() > 1 {
            Detail::Small
        } else {
            Detail::Length
        },
        twin: Some(&program.twin),
        plant: None,
    };
    for (key, value) in [
        ("harden", json!(program.spec.harden)),
        ("rounds", json!(rounds)),
        ("edits", Value::Null),
        ("sessions", Value::Null),
    ] {
        json.insert(key.into(), value);
    }
    let row = measure::run(switch, &program.spec, &plan)?;
    let refused = row.json.get("errors").map(Value::to_string);
    let mut good = row.loaded && row.identical != Some(false) && row.rewritten && !row.missed();
    let too_far = n >= family.too_far && row.too_far();
    json.extend(row.json);
    if let Some(check) = &program.check {
        let decided = decides(switch, check, &program, modes)?;
        match decided {
            Ok(count) => json.insert("packets".into(), json!(count)),
            Err(how) => {
                good = false;
                json.insert("wrong".into(), json!(how))
            }
        };
    }
    if too_far {
        json.insert("too_far".into(), json!(true));
        return Ok(!json.contains_key("wrong"));
    }
    if let Some(refused) = refused {
        json.insert("error".into(), json!(refused));
    }
    Ok(good)
}

/// Runs the program and its twin, as each mode makes them, on packets: how many, or the first wrong decision.
/// A program that is refused is not run.
///
/// # Errors
///
/// A mode that cannot be set, a program that does not run.
fn decides(
    switch: &mut Switch,
    check: &Check,
    program: &Program,
    modes: &[Mode],
) -> io::Result<Result<usize, String>> {
    let mut count = 0;
    for &mode in modes {
        switch.set(mode)?;
        for spec in [&program.spec, &program.twin] {
            let Ok((prog, _)) = bpf::load(spec) else {
                continue;
            };
            match check.run(prog.as_fd())? {
                Ok(packets) => count += packets,
                Err(how) => return Ok(Err(format!("{} in mode {mode}: {how}", spec.name))),
            }
        }
    }
    Ok(Ok(count))
}
