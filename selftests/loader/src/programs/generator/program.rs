// SPDX-License-Identifier: GPL-2.0

//! Makes whole programs: picks what they are like, writes their functions, puts them together.

use std::io;

use libbpf_sys::{BPF_F_STRICT_ALIGNMENT, BPF_F_TEST_RND_HI32};

use crate::bpf::btf::{Btf, LINES};
use crate::bpf::insn::{exit, mov};
use crate::bpf::Spec;
use crate::programs::generator::asm::{link, Code};
use crate::programs::generator::body::{function, Callee, Env, Role};
use crate::programs::generator::fields::Fields;
use crate::programs::generator::kinds::KINDS;
use crate::programs::generator::maps::Maps;
use crate::programs::generator::profile::Profile;
use crate::programs::generator::rng::Rng;

/// Calls are nested no deeper, so that the stack suffices.
const LEVELS: usize = 3;

/// A program with what is known about it.
pub struct Case {
    pub spec: Spec,
    /// Where its functions start.
    pub starts: Vec<usize>,
    pub kind: &'static str,
    /// The kernel puts random numbers into it.
    pub random_insns: bool,
    /// Has a callback, which a kernel without a JIT refuses once it has rewritten the program.
    pub callback: bool,
}

pub struct Generator {
    maps: Maps,
    btf: Btf,
    /// For each type of program, of root and of ordinary users, once asked for.
    fields: Vec<[Option<Fields>; 2]>,
}

impl Generator {
    /// # Errors
    ///
    /// The kernel does not let us have maps or type information.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            maps: Maps::create().map_err(|err| complain("maps", err))?,
            btf: Btf::load().map_err(|err| complain("type information", err))?,
            fields: KINDS.iter().map(|_| [None, None]).collect(),
        })
    }

    /// Program `number` of `seed`.
    pub fn case(&mut self, seed: u64, number: u64) -> Case {
        let rng = &mut Rng::new(seed, number);
        let at = rng.weighted(&KINDS.each_ref().map(|kind| kind.weight));
        let kind = &KINDS[at];
        let profile = Profile::new(rng, kind);
        let fields = &*self.fields[at][usize::from(profile.unprivileged)]
            .get_or_insert_with(|| Fields::ask(kind, profile.unprivileged));
        let env = Env {
            kind,
            kind_index: at,
            fields,
            maps: &self.maps,
            profile: &profile,
        };
        let written = (0..8).find_map(|_| write(rng, &env));
        let written = written.unwrap_or_else(|| Written {
            insns: vec![mov(0, kind.results.first().copied().unwrap_or(0)), exit()],
            functions: vec![(0, false)],
            callback: false,
        });

        let mut spec = Spec {
            name: format!("random_{number}"),
            kind: kind.kind,
            attach: kind.attach,
            insns: written.insns,
            unprivileged: profile.unprivileged,
            ..Spec::default()
        };
        if rng.percent(10) {
            spec.flags |= BPF_F_STRICT_ALIGNMENT;
        }
        let random_insns = !profile.unprivileged && rng.percent(10);
        if random_insns {
            spec.flags |= BPF_F_TEST_RND_HI32;
        }
        let starts: Vec<usize> = written.functions.iter().map(|&(start, _)| start).collect();
        if profile.btf {
            spec.btf = Some(self.btf.fd());
            spec.func_info = Btf::func_info(&written.functions);
            if rng.percent(90) {
                let percent = rng.pick(&[0, 5, 30, 60, 100]);
                spec.line_info = self.btf.line_info(&spec.insns, |at| {
                    let start = starts.binary_search(&at).is_ok();
                    (start || rng.percent(percent)).then(|| rng.below(LINES))
                });
            }
        }
        Case {
            spec,
            starts,
            kind: kind.name,
            random_insns,
            callback: written.callback,
        }
    }
}

fn complain(what: &str, err: io::Error) -> io::Error {
    io::Error::new(err.kind(), format!("{what}: {err}"))
}

struct Written {
    insns: Vec<crate::bpf::insn::Insn>,
    /// Start, and whether it is global, in the order of the program.
    functions: Vec<(usize, bool)>,
    callback: bool,
}

/// Writes all functions; None when some jump does not reach its target.
fn write(rng: &mut Rng, env: &Env<'_>) -> Option<Written> {
    let profile = env.profile;
    // Those called come first, as their weight has to be known.
    let mut functions: Vec<(Role, Code)> = Vec::new();
    let mut callees: Vec<Callee> = Vec::new();
    let mut left = profile.len;
    for level in (1..=LEVELS).rev() {
        let here = (profile.functions + LEVELS - level) / LEVELS;
        let below = callees.clone();
        for _ in 0..here {
            let role = if profile.callbacks && level == LEVELS && rng.percent(70) {
                Role::Callback
            } else if profile.btf && rng.percent(15) {
                Role::Global
            } else {
                rng.pick(&[Role::Context, Role::Context, Role::Context, Role::Number])
            };
            let most = (left / 3).clamp(3, 300) as i32;
            let len = rng.range(2, most) as usize;
            left = left.saturating_sub(len);
            let (code, weight) = function(rng, env, role, &below, len);
            // Functions have the numbers from 1 on; 0 is the program.
            callees.push(Callee {
                number: functions.len() + 1,
                role,
                weight,
                dead: rng.percent(20),
            });
            functions.push((role, code));
        }
    }
    let (main, _) = function(rng, env, Role::Main, &callees, left.max(5));

    // What nothing refers to would be unreachable.
    let mut used = vec![false; functions.len() + 1];
    let mut todo: Vec<usize> = main.refers_to().collect();
    while let Some(number) = todo.pop() {
        if !std::mem::replace(&mut used[number], true) {
            todo.extend(functions[number - 1].1.refers_to());
        }
    }
    let mut order: Vec<usize> = (1..used.len()).filter(|&number| used[number]).collect();
    rng.shuffle(&mut order);
    order.insert(0, 0);
    let mut linking = Vec::new();
    for &number in &order {
        let code = match number {
            0 => &main,
            _ => &functions[number - 1].1,
        };
        let mut segments: Vec<usize> = (0..code.segments()).collect();
        rng.shuffle(&mut segments[1..]);
        linking.push((number, code, segments));
    }
    let linked = link(&linking).ok()?;
    let role = |number: usize| match number {
        0 => Role::Main,
        _ => functions[number - 1].0,
    };
    Some(Written {
        insns: linked.insns,
        functions: linked
            .starts
            .iter()
            .zip(&order)
            .map(|(&start, &number)| (start, role(number) == Role::Global))
            .collect(),
        callback: order.iter().any(|&number| role(number) == Role::Callback),
    })
}
