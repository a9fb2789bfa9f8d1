// SPDX-License-Identifier: GPL-2.0

//! How long do loads take, of families of N edits of one kind and of real programs? Each program of a family has a
//! twin that needs no rewriting. What modes make of a program is compared, too.

pub mod row;

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Args;
use serde_json::{json, Map, Value};

use super::runner::{Runner, Verdict};
use crate::bpf;
use crate::kernel::jit;
use crate::kernel::mode::Mode;
use crate::out;
use crate::programs::families::{Check, Family, Program, FAMILIES};
use crate::programs::{objects, Given, Origin, Source};
use row::{Plan, Row};

/// Loads of a real program in each mode, when the user does not say.
const OBJECT_ROUNDS: usize = 5;

#[derive(Args)]
pub struct MeasureArgs {
    /// Only these: families by name, all of them as `families`, programs of objects as `objects`
    #[arg(long, value_delimiter = ',', default_value = "families")]
    only: Vec<String>,
    /// Say which families there are
    #[arg(long)]
    list: bool,
    /// Numbers of edits [default: by family]
    #[arg(long, value_delimiter = ',')]
    n: Vec<usize>,
    /// Largest number that is loaded in mode stock too [default: by family, 5000 or 1000]
    #[arg(long)]
    stock_max: Option<usize>,
    /// Leave out larger numbers of a family's own
    #[arg(long, default_value_t = 195_000)]
    max: usize,
    /// Loads a row, mode and variant [default: by size, 7 down to 1; of objects 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Fail if a load in mode patcher takes more than so many times as long as its twin
    #[arg(long)]
    at_most: Option<f64>,
    /// Directory with BPF objects (*.o)
    #[arg(long, default_value = "/progs")]
    progs: PathBuf,
    /// Expect a wrong decision of a policy on purpose: the command must then fail
    #[arg(long)]
    plant: bool,
}

impl MeasureArgs {
    fn wants(&self, name: &str) -> bool {
        self.only.iter().any(|only| only == name)
    }

    /// Loads of a row in each mode: fewer where one takes long.
    fn rounds(&self, n: usize, both: bool) -> usize {
        let default = match (n, both) {
            (0..=5_000, _) | (0..=95_000, false) => 7,
            (0..=15_000, true) | (0..=195_000, false) => 3,
            (_, false) => 2,
            // Minutes a load in stock mode.
            (_, true) => 1,
        };
        self.rounds.unwrap_or(default).max(1)
    }
}

#[derive(Default)]
struct Tally {
    rows: usize,
    bad: usize,
    /// Refused in every mode: nothing to compare, but listed.
    not_loaded: usize,
}

/// Runs the command; true when every row is as it should be.
///
/// # Errors
///
/// An unknown name, a mode that cannot be read, a JIT that cannot be turned on, no objects.
pub fn run(args: &MeasureArgs) -> io::Result<Verdict> {
    if args.list {
        for family in &FAMILIES {
            out::progress(&format!("{}: {}", family.name, family.what));
        }
        return Ok(Verdict::new(true, "listed"));
    }
    let known = |name: &str| {
        ["families", "objects"].contains(&name) || FAMILIES.iter().any(|family| family.name == name)
    };
    if let Some(name) = args.only.iter().find(|name| !known(name)) {
        return Err(io::Error::other(format!("there is no family '{name}'")));
    }
    let mut runner = Runner::open()?;
    let jit = jit::on()?;
    let mut tally = Tally::default();
    for family in &FAMILIES {
        if !args.wants(family.name) && !args.wants("families") {
            continue;
        }
        let (all, most) = match args.n.is_empty() {
            true => (family.n, args.max),
            false => (&args.n[..], usize::MAX),
        };
        // One that has no numbers of its own has to be named.
        let named = !family.n.is_empty() || args.wants(family.name);
        for &n in all.iter().filter(|&&n| n <= most && named) {
            tally.rows += 1;
            tally.bad += usize::from(!row(&mut runner, family, n, jit.is_some(), args));
        }
    }
    // Objects are as the kernel has the JIT.
    drop(jit);
    if args.wants("objects") {
        let mut source = objects::source(&args.progs)?;
        for number in 0..source.size().unwrap_or(0) {
            object(&mut runner, &source.program(number), args, &mut tally)?;
        }
    }
    let Tally {
        rows,
        bad,
        not_loaded,
    } = tally;
    out::json(&json!({ "summary": {
        "command": "measure", "rows": rows, "bad": bad, "not_loaded": not_loaded,
    }}));
    let said = format!("{rows} rows, {bad} of them bad, {not_loaded} of programs that do not load");
    Ok(Verdict::new(bad == 0 && rows > not_loaded, said))
}

/// Measures one real program, prints its row, and counts it.
///
/// # Errors
///
/// See [`Row::measure`].
fn object(
    runner: &mut Runner,
    given: &Given,
    args: &MeasureArgs,
    tally: &mut Tally,
) -> io::Result<()> {
    let plan = Plan {
        spec: &given.spec,
        twin: None,
        modes: runner.switch.modes(),
        rounds: args.rounds.unwrap_or(OBJECT_ROUNDS).max(1),
    };
    let row = Row::measure(runner, &plan)?;
    let good = row.is_good(&given.spec);
    let refused = row.is_refused() && given.origin != Origin::Own;
    tally.rows += 1;
    tally.not_loaded += usize::from(refused);
    tally.bad += usize::from(!good && !refused);
    let mut json = row.json(&plan);
    json.insert("object".to_owned(), json!(given.object));
    json.insert("kind".to_owned(), json!(given.spec.kind));
    json.insert("good".to_owned(), json!(good));
    out::json(&json!({ "program": json }));
    Ok(())
}

/// Measures one row of a family, prints it, and says whether it is as it should be.
fn row(runner: &mut Runner, family: &Family, n: usize, has_jit: bool, args: &MeasureArgs) -> bool {
    let mut json = Map::from_iter([
        ("family".to_owned(), json!(family.name)),
        ("n".to_owned(), json!(n)),
    ]);
    let both = n <= args.stock_max.unwrap_or(family.stock_max);
    let skipped = if family.needs_jit && !has_jit {
        Some("this kernel has no JIT")
    } else if runner.switch.modes_for(both).is_empty() {
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
        None => measured(runner, family, n, both, args, &mut json).unwrap_or_else(|err| {
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
/// See [`Row::measure`]; also what the kernel says about a map.
fn measured(
    runner: &mut Runner,
    family: &Family,
    n: usize,
    both: bool,
    args: &MeasureArgs,
    json: &mut Map<String, Value>,
) -> io::Result<bool> {
    let rounds = args.rounds(n, both);
    let modes = runner.switch.modes_for(both);
    let names: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
    let (name, names) = (family.name, names.join(", "));
    out::progress(&format!("{name}: N={n}, {rounds} rounds of {names}, twin"));
    let mut program = (family.make)(n)?;
    if let (Some(check), true) = (&mut program.check, args.plant) {
        check.plant();
    }
    let plan = Plan {
        spec: &program.spec,
        twin: Some(&program.twin),
        modes,
        rounds,
    };
    let row = Row::measure(runner, &plan)?;
    for (key, value) in [
        ("harden", json!(program.spec.harden)),
        ("rounds", json!(rounds)),
        ("edits", Value::Null),
        ("sessions", Value::Null),
    ] {
        json.insert(key.into(), value);
    }
    json.extend(row.json(&plan));
    let mut good = row.is_good(&program.spec) && row.rewritten(&program.spec);
    if args.at_most.is_some_and(|most| row.to_twin() > most) {
        good = false;
        json.insert("slow".into(), json!(row.to_twin()));
    }
    if let Some(check) = &program.check {
        let decided = decides(runner, check, &program, modes)?;
        match decided {
            Ok(count) => json.insert("packets".into(), json!(count)),
            Err(how) => {
                good = false;
                json.insert("wrong".into(), json!(how))
            }
        };
    }
    if n >= family.too_far && row.too_far() {
        json.insert("too_far".into(), json!(true));
        return Ok(!json.contains_key("wrong"));
    }
    if let Some(refused) = json.get("errors").map(Value::to_string) {
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
    runner: &mut Runner,
    check: &Check,
    program: &Program,
    modes: &[Mode],
) -> io::Result<Result<usize, String>> {
    let mut count = 0;
    for &mode in modes {
        runner.switch.set(mode)?;
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
