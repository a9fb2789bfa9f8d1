#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: prints the coverage of the engine (rust/engine) by the host's tests and the fuzzer's
# corpus, a file a line. Fails below 95 % of the lines. Writes the places that are not reached to
# results/coverage.txt.
#
# The rest of rust/ needs a kernel: KUnit and the programs that `make test` loads run it.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

dispatch_step "$@"

LEAST=95
host_prepare
tool=$(cargo_tool cargo-llvm-cov 0.9.1)
out=$(host_target)/coverage/export.json
mkdir -p "$TOP/results"
cd "$HOST_CRATE"
note "the host's tests, instrumented"
# Branches are counted by an unstable option of the compiler's.
host_cargo coverage env RUSTC_BOOTSTRAP=1 LLVM_COV=llvm-cov-22 LLVM_PROFDATA=llvm-profdata-22 GLIBC_TUNABLES="$HOST_MALLOC" \
	"$tool" llvm-cov test --locked --jobs "$JOBS" --lib --branch --json --output-path "$out" >&2 ||
	die "a test failed"
run "$TOP/scripts/setup/inroot.sh" python3 "$TOP/scripts/report/coverage.py" "$out" "$TOP/rust/engine" "$LEAST" \
	"$TOP/results/coverage.txt"
echo "coverage: the places that are not reached are in $TOP/results/coverage.txt"
