#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: prints how much of the engine (rust/engine) the host's tests and the fuzzer's corpus
# reach, a file a line. Fails if it is less than 95 % of the lines. Writes what is not reached to
# results/coverage.txt.
#
# The rest of rust/ needs a kernel: KUnit and the programs that `make test` loads run it.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

LEAST=95
host_prepare
target=$(host_target)/coverage
rm -rf "$target/profile"
mkdir -p "$target/profile" "$TOP/results"
cd "$HOST_CRATE"

note "the host's tests, instrumented"
export RUSTFLAGS='-C instrument-coverage -Z coverage-options=branch'
# With a target named, build scripts and macros are not instrumented.
binary=$(host_cargo coverage env RUSTC_BOOTSTRAP=1 cargo test --locked --jobs "$JOBS" --target "$HOST_TRIPLE" --lib --no-run \
	--message-format=json-render-diagnostics | sed -nE 's/.*"executable":"([^"]+)".*/\1/p' | tail -n 1)
[[ -n $binary ]] || die "the host's tests cannot be built"
settings=(LLVM_PROFILE_FILE="$target/profile/%p.profraw" GLIBC_TUNABLES="$HOST_MALLOC")
host_cargo coverage env "${settings[@]}" "$binary" --quiet >"$target/test.log" 2>&1 || {
	tail -n 15 "$target/test.log" >&2
	die "a test failed; log: $target/test.log"
}
llvm() { run "$TOP/scripts/setup/inroot.sh" "$@"; }
llvm llvm-profdata-22 merge -sparse -o "$target/merged.profdata" "$target"/profile/*.profraw
llvm llvm-cov-22 export "$binary" -instr-profile="$target/merged.profdata" -skip-expansions >"$target/coverage.json"

llvm python3 "$TOP/scripts/report/coverage.py" "$target/coverage.json" "$TOP/rust/engine" "$LEAST" "$TOP/results/coverage.txt"
echo "coverage: what is not reached is in ${TOP}/results/coverage.txt"
