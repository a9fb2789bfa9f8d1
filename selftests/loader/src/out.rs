// SPDX-License-Identifier: GPL-2.0

//! Output lines: `@begin` at the start, `@json OBJECT` for results, `# text` for progress; in the end the verdict as
//! KTAP, and `@exit N`.
//!
//! Each is written whole, so that kernel messages on the same console fall between lines.

use std::io::{stdout, Write};

use serde_json::Value;

fn line(text: &str) {
    let mut out = stdout().lock();
    // Nobody is left to tell when stdout is gone.
    let _ = out.write_all(format!("{text}\n").as_bytes());
    let _ = out.flush();
}

/// Says that the boot is over: what the kernel says from here on is about what the loader does.
pub fn begin() {
    line("@begin");
}

/// Prints one result.
pub fn json(value: &Value) {
    line(&format!("@json {value}"));
}

/// Prints text for people, each line marked.
pub fn progress(text: &str) {
    for part in text.lines() {
        line(&format!("# {part}"));
    }
}

/// Prints the verdict of a check in one sentence.
pub fn verdict(good: bool, name: &str, said: &str) {
    let not = if good { "" } else { "not " };
    line(&format!("KTAP version 1\n1..1\n{not}ok 1 {name}: {said}"));
}

/// Prints the exit code, the last line.
pub fn exit(code: u8) {
    line(&format!("@exit {code}"));
}
