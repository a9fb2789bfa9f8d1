// SPDX-License-Identifier: GPL-2.0

//! Constants, which are blinded, and a line for each insn. The JIT gives up, and the interpreter
//! takes over the program as it was before the blinding.

use std::io;

use libbpf_sys::BPF_PROG_TYPE_SOCKET_FILTER;

use super::outcome::{load, loaded, Finding, Loaded, Outcome, Verdict};
use crate::bpf::btf::Btf;
use crate::bpf::insn::Width::W64;
use crate::bpf::insn::{alu_imm, call_rel, exit, mov, Insn, Op};
use crate::bpf::{self, Spec};
use crate::kernel::fault::Faults;
use crate::kernel::jit;
use crate::kernel::sysctl::Setting;
use crate::kernel::unpriv;

/// Allocations of a load are fewer.
const ALLOCATIONS: u32 = 20_000;

/// A program with the functions that start there, and a line for each insn.
fn with_lines(btf: &Btf, name: &str, insns: Vec<Insn>, functions: &[(usize, bool)]) -> Spec {
    let mut spec = Spec::new(BPF_PROG_TYPE_SOCKET_FILTER, name, insns);
    spec.btf = Some(btf.fd());
    spec.func_info = Btf::func_info(functions);
    spec.line_info = btf.line_info(&spec.insns, Some);
    spec
}

/// Is a program that the interpreter runs as it was handed in, its lines too?
fn verdict(spec: &Spec, loaded: &Loaded) -> Verdict {
    let count = spec.insns.len();
    if loaded.jited || loaded.insns.len() != count || loaded.lines.len() != count {
        Verdict::Unclear
    } else if loaded.lines.iter().copied().eq(0..count as u32) {
        Verdict::Right
    } else {
        Verdict::Shows
    }
}

/// Turns the JIT on, or says why this kernel has nothing that is blinded and then not compiled.
fn jit_and_interpreter() -> io::Result<Result<Setting, &'static str>> {
    let Some(jit) = jit::on()? else {
        return Ok(Err("this kernel has no JIT"));
    };
    if !jit::has_interpreter()? {
        return Ok(Err("there is no interpreter to take over"));
    }
    Ok(Ok(jit))
}

/// One function. Of an ordinary user the JIT takes no program that exceeds its limit.
pub fn one_function() -> io::Result<Finding> {
    let _jit = match jit_and_interpreter()? {
        Ok(jit) => jit,
        Err(reason) => return Finding::not_here(reason),
    };
    let btf = Btf::load()?;
    let insns = vec![mov(0, 1), alu_imm(W64, Op::Add, 0, 2), mov(1, 3), exit()];
    let mut spec = with_lines(&btf, "blinding_one", insns, &[(0, false)]);
    spec.unprivileged = true;
    let _settings = [
        unpriv::allow()?,
        Setting::set("net/core/bpf_jit_harden", "1")?,
        Setting::set("net/core/bpf_jit_limit", "1")?,
    ];
    let outcome = load(&spec)?;
    let verdict = match &outcome {
        Outcome::Loaded(loaded) => verdict(&spec, loaded),
        Outcome::Refused(..) => Verdict::Unclear,
    };
    outcome.judged(verdict)
}

/// Two functions. Only root may have them, whom the JIT has no limit for: an allocation has to fail.
/// Each of those of a load does in turn, as only some of them make the JIT give up.
pub fn two_functions() -> io::Result<Finding> {
    let _jit = match jit_and_interpreter()? {
        Ok(jit) => jit,
        Err(reason) => return Finding::not_here(reason),
    };
    let Some(faults) = Faults::open()? else {
        return Finding::not_here("this kernel has no fault injection (CONFIG_FAILSLAB)");
    };
    let btf = Btf::load()?;
    let insns = vec![
        call_rel(2),
        alu_imm(W64, Op::Add, 0, 2),
        exit(),
        mov(0, 1),
        exit(),
    ];
    let spec = with_lines(&btf, "blinding_two", insns, &[(0, false), (3, false)]);
    let _harden = Setting::set("net/core/bpf_jit_harden", "2")?;
    let (mut right, mut jited) = (0, 0);
    for n in 1..ALLOCATIONS {
        let (result, failed) = faults.fail_nth(n, || bpf::load(&spec))?;
        if !failed {
            let what = format!(
                "{n} loads that lack memory: {right} programs interpreted, all right, {jited} compiled"
            );
            let verdict = if right > 0 {
                Verdict::Right
            } else {
                Verdict::Unclear
            };
            return Ok(Finding::Seen(verdict, what));
        }
        let Ok((prog, _)) = result else {
            continue;
        };
        let loaded = loaded(prog)?;
        if loaded.jited {
            jited += 1;
            continue;
        }
        match verdict(&spec, &loaded) {
            Verdict::Right => right += 1,
            other => {
                let what = format!("without allocation {n}: {}", Outcome::Loaded(loaded));
                return Ok(Finding::Seen(other, what));
            }
        }
    }
    let what = format!("a load has {ALLOCATIONS} allocations and more");
    Ok(Finding::Seen(Verdict::Unclear, what))
}
