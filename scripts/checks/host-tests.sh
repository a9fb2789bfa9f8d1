#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The engine on the host: its KUnit suites, random cases and the fuzzer's corpus against the naive model.
# Random cases once more with jumps of 8 bits, so that many are too far.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

host_prepare
cd "$HOST_CRATE"
# Without the fuzzer's crate, as libFuzzer takes a C++ compiler a while.
host_cargo clippy cargo clippy --locked --jobs "$JOBS" --workspace --exclude host-fuzz --all-targets -- -D warnings ||
	die "clippy has something to say about the engine on the host"
out=$(host_cargo test env GLIBC_TUNABLES="$HOST_MALLOC" cargo test --locked --jobs "$JOBS" 2>&1 | tee /dev/stderr) ||
	die "engine and model differ, or a test failed"
short=$(host_cargo test env GLIBC_TUNABLES="$HOST_MALLOC" cargo test --locked --jobs "$JOBS" --features short_reach --lib \
	-- --nocapture cases::random 2>&1 | tee /dev/stderr) || die "engine and model differ where jumps have 8 bits"
[[ $short =~ jumps:\ ([1-9][0-9]*) ]] || die "no jump was relaxed"
sed -nE "s/^test result: ok\. ([1-9][0-9]*) passed.*/\1 tests, with random cases and the corpus; ${BASH_REMATCH[1]} far jumps relaxed/p" <<<"$out" | tail -n 1
