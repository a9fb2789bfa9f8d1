#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loader has no clippy warnings.

# shellcheck source=scripts/paths.sh
source "$(dirname "$0")/../paths.sh"

lock_cache
# Not the build's own directory: clippy would make cargo build everything again there.
CARGO_TARGET_DIR=$(loader_target)/clippy
export CARGO_TARGET_DIR
cd "$TOP"
run scripts/inroot.sh cargo clippy --locked --all-targets --jobs "$JOBS" \
	--manifest-path selftests/loader/Cargo.toml -- -D warnings ||
	die "clippy has something to say about the loader"
echo "no warnings"
