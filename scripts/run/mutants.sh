#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh [FILE...]: changes the engine in every small way that cargo-mutants knows, one at a time,
# and runs the host's tests on each. Fails if the tests pass for a change that
# selftests/host/mutants.allow does not list, or fail for one that it lists. FILE is one of
# rust/engine/, such as layout.rs or relax/form.rs.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

allow=$HOST_CRATE/mutants.allow

dispatch_step "$@"

engine=$(cd "$TOP/rust/engine" && find . -name '*.rs' -printf '%P\n' | sort)
files=()
for file in "$@"; do
	grep -qxF "$file" <<<"$engine" || die "'$file' is no file of the engine; there are: ${engine//$'\n'/ }"
	files+=(--file "src/rust/engine/$file")
done
((${#files[@]})) || files=(--file 'src/rust/engine/**/*.rs')

host_prepare
mutants=$(cargo_tool cargo-mutants 27.1.0)

# cargo-mutants changes files of one crate only, so it gets a copy of the crate with the engine inside.
work=$(host_target)/mutants
mkdir -p "$work"
exec {lock}>"$work/lock"
flock -n "$lock" || die "another run of mutants.sh works in $work; wait for it"
rm -rf "$work/copy"
cp -r "$HOST_CRATE" "$work/copy"
cp -r "$TOP/rust" "$work/copy/src/rust"
sed -i 's|"../../../rust/|"rust/|' "$work/copy/src/lib.rs"

log=$LOGS/mutants.log
mkdir -p "$LOGS" "$TOP/results"
note "mutants of the engine (log: $log)"
: >"$log"
heartbeat mutants "$log" "$SECONDS" {lock}>&- &
beat=$!
status=0
# There are hundreds of builds and runs: only of the tests, without line numbers, with fewer random
# cases, and with memory that malloc keeps.
settings=(TMPDIR="$work" CARGO_PROFILE_DEV_DEBUG=0 RANDOM_CASES=1000 GLIBC_TUNABLES="$HOST_MALLOC")
# Status 2: some survive. Status 3: some run for ever, which counts as noticed.
host_cargo mutants env "${settings[@]}" "$mutants" mutants --dir "$work/copy" --output "$work" \
	"${files[@]}" --package host --jobs "${MUTANTS_JOBS:-1}" --timeout 20 --build-timeout 600 --no-shuffle --colors never \
	--caught --unviable --cargo-arg=--lib --baseline run >>"$log" 2>&1 || status=$?
kill "$beat" 2>/dev/null || true
wait "$beat" 2>/dev/null || true
((status == 0 || status == 2 || status == 3)) || {
	tail -n 15 "$log" >&2
	die "cargo-mutants failed (status $status); log: $log"
}

run "$TOP/scripts/setup/inroot.sh" python3 "$TOP/scripts/report/mutants.py" "$work/mutants.out" "$allow" "$TOP/results/mutants.txt" "$@"
