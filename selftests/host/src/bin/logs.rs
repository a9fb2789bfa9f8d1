// SPDX-License-Identifier: GPL-2.0

//! logs FROM TO: prints the random logs of these numbers for the model of `proof/`, a line each.

use std::{
    env,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

fn print(from: u64, to: u64) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for seed in from..to {
        writeln!(out, "{}", host::proof_line(seed))?;
    }
    out.flush()
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1).map(|a| a.parse().ok());
    let (Some(Some(from)), Some(Some(to))) = (args.next(), args.next()) else {
        eprintln!("usage: logs FROM TO");
        return ExitCode::FAILURE;
    };
    match print(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
