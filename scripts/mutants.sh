#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh [FILE...]: changes the engine in every small way that cargo-mutants knows, one at a time, and runs the host's tests
# on each. Fails if they pass for a change that selftests/host/mutants.allow does not explain. FILE is one of rust/, such as jumps.rs.

# shellcheck source=scripts/host-crate.sh
source "$(dirname "$0")/host-crate.sh"

allow=$HOST_CRATE/mutants.allow

install_mutants() {
	run "$TOP/scripts/inroot.sh" cargo install --locked --root "$1" --jobs "$JOBS" cargo-mutants --version "$CARGO_MUTANTS_VERSION"
}
dispatch_step "$@"

engine=$(sed -nE 's|^#\[path = "../../../rust/([a-z]+\.rs)"\]$|\1|p' "$HOST_CRATE/src/lib.rs")
files=()
for file in "$@"; do
	grep -qxF "$file" <<<"$engine" || die "'$file' is no file of the engine; there are: ${engine//$'\n'/ }"
	files+=(--file "src/engine/$file")
done
((${#files[@]})) || files=(--file 'src/engine/*.rs')

host_prepare
if [[ ! -d $(mutants_path) ]]; then
	(
		lock_cache
		need_disk 1000 "cargo-mutants"
		dir=$(partial_dir mutants)
		stage "cargo-mutants $CARGO_MUTANTS_VERSION" mutants-install install_mutants "$dir/mutants"
		mv "$dir/mutants" "$(mutants_path)"
	)
fi

# cargo-mutants changes files of one crate only, so it gets a copy of crate and engine in which the paths are shorter.
work=$(host_target)/mutants
mkdir -p "$work"
rm -rf "$work/copy"
cp -r "$HOST_CRATE" "$work/copy"
cp -r "$TOP/rust" "$work/copy/src/engine"
sed -i 's|"../../../rust/|"engine/|' "$work"/copy/src/{lib,kunit}.rs

log=$LOGS/mutants.log
mkdir -p "$LOGS" "$TOP/results"
note "mutants of the engine (log: $log)"
: >"$log"
heartbeat mutants "$log" "$SECONDS" &
beat=$!
status=0
# Status 2 is survivors, 3 is timeouts, which count as noticed.
host_cargo mutants env TMPDIR="$work" "$(mutants_path)/bin/cargo-mutants" mutants --dir "$work/copy" --output "$work" "${files[@]}" \
	--package host --jobs "${MUTANTS_JOBS:-1}" --timeout 60 --no-shuffle --colors never --caught --unviable \
	--cargo-test-arg=--lib --baseline run >>"$log" 2>&1 || status=$?
kill "$beat" 2>/dev/null || true
wait "$beat" 2>/dev/null || true
((status == 0 || status == 2 || status == 3)) || {
	tail -n 15 "$log" >&2
	die "cargo-mutants failed (status $status); log: $log"
}

run "$TOP/scripts/inroot.sh" python3 - "$work/mutants.out" "$allow" "$TOP/results/mutants.txt" <<'END'
import re, sys

out, allow_path, result = sys.argv[1:]


def lines(name):
    return [l.strip() for l in open(f"{out}/{name}.txt") if l.strip()]


def key(mutant):
    # Without line and column, which change with every edit of the file.
    return re.sub(r"^src/engine/([a-z]+\.rs):\d+:\d+: ", r"\1: ", mutant)


allowed, reason = {}, None
for line in open(allow_path):
    line = line.strip()
    if line.startswith("#"):
        reason = line
    elif not line:
        reason = None
    elif reason is None:
        sys.exit(f"error: {allow_path}: no reason above: {line}")
    else:
        allowed[line] = False

missed = [key(m) for m in lines("missed")]
caught, timeout, unviable = (len(lines(n)) for n in ("caught", "timeout", "unviable"))
unexplained = [m for m in missed if m not in allowed]
viable = caught + timeout + len(missed)
summary = (f"mutants: {viable} that compile, {caught + timeout} noticed ({timeout} by running for ever), "
           f"{len(missed) - len(unexplained)} survive for a reason, {len(unexplained)} unexplained; {unviable} do not compile")
for mutant in unexplained:
    print(f"survives: {mutant}")
print(summary)
open(result, "w").write("\n".join(missed + [summary, ""]))
sys.exit(1 if unexplained else 0)
END
