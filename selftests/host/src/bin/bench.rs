// SPDX-License-Identifier: GPL-2.0

//! bench EDITS ROUNDS: prints the time of each step of a session, in ns an edit, a line of JSON.

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u32>());
    let (Some(Ok(edits @ 1..)), Some(Ok(rounds @ 1..)), None) =
        (args.next(), args.next(), args.next())
    else {
        eprintln!("usage: bench EDITS ROUNDS");
        std::process::exit(2);
    };
    let steps = host::measure(edits, rounds);
    let each = |ns: u64| ns as f64 / f64::from(edits);
    println!(
        "{{\"edits\":{edits},\"insns_after\":{},\"unit\":\"ns\",\"phases\":{{\"record\":{:.2},\"layout\":{:.2},\
         \"check\":{:.2},\"insns\":{:.2},\"aux\":{:.2}}},\"total\":{:.2},\"memcpy\":{:.2}}}",
        steps.insns_after,
        each(steps.record),
        each(steps.layout),
        each(steps.check),
        each(steps.insns),
        each(steps.aux),
        each(steps.total()),
        each(steps.memcpy),
    );
}
