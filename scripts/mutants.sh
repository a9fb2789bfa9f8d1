#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh [FILE...]: changes the engine in every small way that cargo-mutants knows, one at a time, and runs the host's tests
# on each. Fails if they pass for a change that selftests/host/mutants.allow does not explain, or if that explains one which
# they notice. FILE is one of rust/engine/, such as reach.rs.

# shellcheck source=scripts/host-crate.sh
source "$(dirname "$0")/host-crate.sh"

allow=$HOST_CRATE/mutants.allow

install_mutants() {
	run "$TOP/scripts/inroot.sh" cargo install --locked --root "$1" --jobs "$JOBS" cargo-mutants --version "$CARGO_MUTANTS_VERSION"
}
dispatch_step "$@"

engine=$(cd "$TOP/rust/engine" && printf '%s\n' *.rs)
files=()
for file in "$@"; do
	grep -qxF "$file" <<<"$engine" || die "'$file' is no file of the engine; there are: ${engine//$'\n'/ }"
	files+=(--file "src/rust/engine/$file")
done
((${#files[@]})) || files=(--file 'src/rust/engine/*.rs')

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
# Hundreds of builds and runs: of the tests alone, without line numbers, with fewer random cases and memory that is kept.
settings=(TMPDIR="$work" CARGO_PROFILE_DEV_DEBUG=0 RANDOM_CASES=1000 GLIBC_TUNABLES="$HOST_MALLOC")
# Status 2 is survivors, 3 is timeouts, which count as noticed.
host_cargo mutants env "${settings[@]}" "$(mutants_path)/bin/cargo-mutants" mutants --dir "$work/copy" --output "$work" \
	"${files[@]}" --package host --jobs "${MUTANTS_JOBS:-1}" --timeout 20 --build-timeout 600 --no-shuffle --colors never \
	--caught --unviable --cargo-arg=--lib --baseline run >>"$log" 2>&1 || status=$?
kill "$beat" 2>/dev/null || true
wait "$beat" 2>/dev/null || true
((status == 0 || status == 2 || status == 3)) || {
	tail -n 15 "$log" >&2
	die "cargo-mutants failed (status $status); log: $log"
}

run "$TOP/scripts/inroot.sh" python3 - "$work/mutants.out" "$allow" "$TOP/results/mutants.txt" "$@" <<'END'
import collections, re, sys

out, allow_path, result, *files = sys.argv[1:]


def lines(name):
    return [l.strip() for l in open(f"{out}/{name}.txt") if l.strip()]


def key(mutant):
    # Without line and column, which change with every edit of the file.
    return re.sub(r"^src/rust/engine/([a-z]+\.rs):\d+:\d+: ", r"\1: ", mutant)


# A line explains one mutant; those that differ in nothing but their place have a line each.
allowed, reason = collections.Counter(), None
for line in open(allow_path):
    line = line.strip()
    if line.startswith("#"):
        reason = line
    elif not line:
        reason = None
    elif reason is None:
        sys.exit(f"error: {allow_path}: no reason above: {line}")
    elif not files or line.split(":")[0] in files:
        allowed[line] += 1

missed = collections.Counter(key(m) for m in lines("missed"))
caught, timeout, unviable = (len(lines(n)) for n in ("caught", "timeout", "unviable"))
unexplained, unneeded = missed - allowed, allowed - missed
viable = caught + timeout + missed.total()
summary = (f"mutants: {viable} that compile, {caught + timeout} noticed ({timeout} by running for ever), "
           f"{(missed & allowed).total()} survive for a reason, {unexplained.total()} unexplained; {unviable} do not compile")
for mutant in unexplained.elements():
    print(f"survives: {mutant}")
for mutant in unneeded.elements():
    print(f"noticed, though {allow_path} explains it: {mutant}")
print(summary)
open(result, "w").write("\n".join([*missed.elements(), summary, ""]))
sys.exit(1 if unexplained or unneeded else 0)
END
