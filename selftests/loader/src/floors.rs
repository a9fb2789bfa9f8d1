// SPDX-License-Identifier: GPL-2.0

//! No part of the loader uses one above it, and no two parts of a floor use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest floor to the highest.
const FLOORS: [&str; 7] = [
    "out",
    "kernel",
    "bpf",
    "compare",
    "interpreter",
    "programs",
    "checks",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What a file says behind each `crate::`, of which `{` begins a list, and `super::` of a file beside it.
fn used(text: &str, own: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let is_of_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == ':';
        text.chars().take_while(is_of_word).collect()
    };
    let absolute = text.split("crate::").skip(1).map(word);
    let beside = text.split("super::").skip(1).map(word);
    absolute
        .chain(beside.map(|name| format!("{own}::{name}")))
        .collect()
}

/// The first two parts of a path.
fn part(path: &str) -> (String, String) {
    let mut names = path.split("::");
    let mut next = || names.next().unwrap_or_default().to_owned();
    (next(), next())
}

#[test]
fn nothing_uses_what_is_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let rank = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    // Of what is directly on the two upper floors: what uses what.
    let mut uses: BTreeMap<(String, String), BTreeSet<(String, String)>> = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        let names: Vec<_> = path.iter().map(|name| name.to_str().unwrap()).collect();
        let Some(own) = rank(names[0]) else {
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let here = names[..names.len() - 1].join("::");
        for name in used(&text, &here) {
            let to = part(&name);
            if let Some(other) = rank(&to.0) {
                assert!(other <= own, "{} uses {name}", path.display());
            }
            let from = part(&names.join("::"));
            if from.0 == to.0 && from.1 != "mod" && from != to && rank(&from.0) >= rank("programs")
            {
                uses.entry(from).or_default().insert(to);
            }
        }
    }
    // Take away what uses nothing that is left, until nothing is.
    while !uses.is_empty() {
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        let before = uses.len();
        uses.retain(|_, of| of.iter().any(|to| left.contains(to)));
        assert!(uses.len() < before, "a circle: {uses:?}");
    }
}
