// SPDX-License-Identifier: GPL-2.0

//! Loads a program, in both modes or in mode `verify`, and says what became of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::coverage::Coverage;
use super::patience::Hurry;
use crate::bpf::insn::decode;
use crate::bpf::{self, disasm, Detail};
use crate::compare::{difference, drawn};
use crate::generator::Case;
use crate::kernel::mode::{Mode, Switch};
use crate::kernel::stats::Stats;
use crate::out;

/// What became of one program.
pub enum Outcome {
    Identical,
    /// Loaded; comparing is up to the kernel.
    Loaded,
    Refused(io::Error),
    /// Given up, as verifying took too long.
    Slow,
    /// What is different.
    Different(String),
}

/// Loads a program, unless that takes too long. The outer error is ours.
fn in_time(case: &Case) -> io::Result<io::Result<(OwnedFd, Duration)>> {
    let hurry = Hurry::start()?;
    let loaded = bpf::load(&case.spec);
    drop(hurry);
    Ok(loaded)
}

/// Loads a program in mode verify, and once more if it is refused, which has to be by the verifier, or by
/// what stock has to say too. The outer error is ours.
pub fn verified(switch: &mut Switch, case: &Case) -> io::Result<Outcome> {
    switch.set(Mode::Verify)?;
    let before = Stats::read()?;
    let loaded = in_time(case)?;
    let grown = Stats::read()?.since(&before);
    let different = grown.get("verify_differences");
    let err = match loaded {
        _ if different > 0 => {
            return Ok(Outcome::Different(format!("{different} sessions differ")));
        }
        Ok(_) => return Ok(Outcome::Loaded),
        Err(err) if err.raw_os_error() == Some(libc::EAGAIN) => return Ok(Outcome::Slow),
        Err(err) => err,
    };
    switch.set(Mode::Stock)?;
    match bpf::load(&case.spec) {
        Err(stock) if stock.raw_os_error() == err.raw_os_error() => refused(switch, case, err),
        stock => Ok(Outcome::Different(format!(
            "stock: {}, verify: {err}",
            said(&stock)
        ))),
    }
}

/// What the kernel says to a program.
fn said<T>(result: &io::Result<T>) -> String {
    match result {
        Ok(_) => "loads".to_owned(),
        Err(err) => err.to_string(),
    }
}

/// Loads a program in both modes. The outer error is ours.
pub fn compared(
    switch: &mut Switch,
    case: &Case,
    coverage: &mut Coverage,
    list: bool,
) -> io::Result<Outcome> {
    let report = |loaded: io::Result<(OwnedFd, Duration)>| match loaded {
        Ok((prog, _)) => bpf::report(prog.as_fd(), Detail::Full).map(Ok),
        Err(err) => Ok(Err(err)),
    };
    switch.set(Mode::Stock)?;
    let stock = report(in_time(case)?)?;
    if let Err(err) = &stock {
        if err.raw_os_error() == Some(libc::EAGAIN) {
            return Ok(Outcome::Slow);
        }
    }
    // What took no longer than allowed once may just do so the next time.
    switch.set(Mode::Patcher)?;
    let patcher = report(bpf::load(&case.spec))?;
    let (mut stock, mut patcher) = match (stock, patcher) {
        (Ok(stock), Ok(patcher)) => (stock, patcher),
        (Err(a), Err(b)) if a.raw_os_error() == b.raw_os_error() => {
            return refused(switch, case, a);
        }
        (stock, patcher) => {
            let text = format!("stock: {}, patcher: {}", said(&stock), said(&patcher));
            return Ok(Outcome::Different(text));
        }
    };
    drawn::clear(&case.spec, &mut stock);
    drawn::clear(&case.spec, &mut patcher);
    coverage.reported(case, &patcher);
    let found = difference(&case.spec.insns, &stock, &patcher);
    if list {
        for (mode, report) in [(Mode::Stock, &stock), (Mode::Patcher, &patcher)] {
            out::progress(&format!("{mode}:"));
            let xlated = report.xlated.as_deref().unwrap_or_default();
            out::progress(&disasm::listing(&decode(xlated)));
        }
    }
    Ok(match found {
        None => Outcome::Identical,
        Some(text) => Outcome::Different(text),
    })
}

/// Refused in both modes; when for a jump that no longer fits, the same one must be named.
fn refused(switch: &mut Switch, case: &Case, err: io::Error) -> io::Result<Outcome> {
    if err.raw_os_error() != Some(libc::ENOMEM) {
        return Ok(Outcome::Refused(err));
    }
    let mut reason = |mode| {
        switch.set(mode)?;
        Ok::<_, io::Error>(bpf::refusal(&case.spec))
    };
    let (stock, patcher) = (reason(Mode::Stock)?, reason(Mode::Patcher)?);
    Ok(if stock == patcher {
        Outcome::Refused(err)
    } else {
        Outcome::Different(format!("stock: {stock:?}, patcher: {patcher:?}"))
    })
}
