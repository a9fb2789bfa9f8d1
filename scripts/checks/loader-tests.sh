#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loader has no clippy warnings, and passes its own tests.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
# Not the build's directory: clippy would make cargo build everything again there.
CARGO_TARGET_DIR=$(loader_target)/clippy
export CARGO_TARGET_DIR
cd "$TOP"
loader=(--locked --jobs "$JOBS" --manifest-path selftests/loader/Cargo.toml)
run scripts/setup/inroot.sh cargo clippy "${loader[@]}" --all-targets -- -D warnings ||
	die "clippy has something to say about the loader"
out=$(run scripts/setup/inroot.sh cargo test --quiet "${loader[@]}" 2>&1 | tee /dev/stderr) || die "a test of the loader failed"
sed -nE 's/^test result: ok\. ([1-9][0-9]*) passed.*/no warnings, \1 tests/p' <<<"$out"
