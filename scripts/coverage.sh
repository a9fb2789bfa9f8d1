#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: how much of the engine the host's tests reach, the fuzzer's corpus included: a table, a file a line.
# Fails if it is less than 95 % of the lines. What is not reached goes to results/coverage.txt.
#
# The engine is rust/engine/. What only makes sense in a kernel is not in it: the view of C's structures, entry points, sessions,
# statistics and mode verify. KUnit and the programs that `make test` loads run those.

# shellcheck source=scripts/host-crate.sh
source "$(dirname "$0")/host-crate.sh"

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
llvm() { run "$TOP/scripts/inroot.sh" "$@"; }
llvm llvm-profdata-22 merge -sparse -o "$target/merged.profdata" "$target"/profile/*.profraw
llvm llvm-cov-22 export "$binary" -instr-profile="$target/merged.profdata" -skip-expansions >"$target/coverage.json"

llvm python3 - "$target/coverage.json" "$TOP/rust/engine" "$LEAST" "$TOP/results/coverage.txt" <<'END'
import json, os, sys

path, engine, least, missed_path = sys.argv[1:]
data = json.load(open(path))["data"][0]
kinds = ["lines", "regions", "functions", "branches"]
total = {kind: [0, 0] for kind in kinds}
print("the engine; not what only a kernel can run (view, entry, session, linearize, stats, mode, verify)")
print(f"{'file':14}" + "".join(f"{kind:>20}" for kind in kinds))


def cell(covered, count):
    return f"{covered:>8}/{count:<4}{100 * covered / count if count else 100:6.1f}%"


missed = []
for file in sorted(data["files"], key=lambda f: os.path.basename(f["filename"])):
    name = os.path.normpath(file["filename"])
    if os.path.dirname(name) != engine:
        continue
    summary = file["summary"]
    for kind in kinds:
        total[kind][0] += summary[kind]["covered"]
        total[kind][1] += summary[kind]["count"]
    print(f"{os.path.basename(name):14}" + "".join(
        f"{cell(summary[kind]['covered'], summary[kind]['count']):>20}" for kind in kinds))
    base = os.path.basename(name)
    # A segment: line, column, count, has a count, begins a region, is a gap.
    for line, column, count, has_count, begins, gap in (s[:6] for s in file["segments"]):
        if has_count and begins and not gap and count == 0:
            missed.append(f"{base}:{line}:{column}: not reached")
    # A branch: line, column, end line, end column, times taken, times not taken.
    for branch in file.get("branches", []):
        for what, times in (("true", branch[4]), ("false", branch[5])):
            if not times:
                missed.append(f"{base}:{branch[0]}:{branch[1]}: never {what}")
print(f"{'total':14}" + "".join(f"{cell(*total[kind]):>20}" for kind in kinds))
open(missed_path, "w").write("\n".join(missed + [""]))
covered, count = total["lines"]
if not count or 100 * covered < int(least) * count:
    sys.exit(f"error: fewer than {least} % of the engine's lines are reached; see {missed_path}")
END
echo "coverage: what is not reached is in ${TOP}/results/coverage.txt"
