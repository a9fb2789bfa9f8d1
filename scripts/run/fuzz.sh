#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh: has libFuzzer look for a case in which engine and model differ, for TIME (60, 30m, 2h; by
# default 60 seconds).
# fuzz.sh --replay FILE...: runs these cases.
# fuzz.sh --corpus: reduces all cases found so far to the fewest that reach the same code, and makes them
# the corpus in the repository.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

time=${TIME:-60}
[[ $time =~ ^([1-9][0-9]{0,5})([smh]?)$ ]] || die "TIME=$time is no time; for instance TIME=60, TIME=30m or TIME=2h"
case ${BASH_REMATCH[2]} in
m) seconds=$((BASH_REMATCH[1] * 60)) ;;
h) seconds=$((BASH_REMATCH[1] * 3600)) ;;
*) seconds=${BASH_REMATCH[1]} ;;
esac

action=${1:-fuzz}
case $action in
fuzz | --corpus) (($# <= 1)) || die "usage: fuzz.sh [--corpus | --replay FILE...]" ;;
--replay)
	(($# > 1)) || die "usage: fuzz.sh --replay FILE..."
	files=()
	for file in "${@:2}"; do
		[[ -e $file ]] || die "there is no $file"
		files+=("$(realpath "$file")")
	done
	;;
*) die "usage: fuzz.sh [--corpus | --replay FILE...]" ;;
esac

host_prepare
cd "$HOST_CRATE"
mkdir -p "$LOGS"
if [[ $action == --replay ]]; then
	host_cargo fuzz cargo run --quiet --release --locked --jobs "$JOBS" --bin replay -- "${files[@]}"
	exit
fi

# cargo-fuzz would only replace these flags and the build below, and be one more program to install: it
# leaves libFuzzer's options, the log and the corpus to its caller. No sanitizer: host-sanitizers.sh has that.
note "the fuzzer"
RUSTFLAGS=${HOST_FUZZ_FLAGS[*]} host_cargo fuzz cargo build --quiet --release --locked --jobs "$JOBS" --target "$HOST_TRIPLE" -p host-fuzz ||
	die "the fuzzer cannot be built"
fuzzer=("$TOP/scripts/setup/inroot.sh" env GLIBC_TUNABLES="$HOST_MALLOC" "$(host_target)/fuzz/$HOST_TRIPLE/release/host-fuzz")
found=$(host_target)/corpus
corpus=$HOST_CRATE/fuzz/corpus
mkdir -p "$found" "$corpus" "$TOP/results/fuzz"

if [[ $action == --corpus ]]; then
	merged=$(host_target)/corpus.merged
	rm -rf "$merged"
	mkdir "$merged"
	# Only the code that a case reaches counts: counters would keep many times as many cases.
	run "${fuzzer[@]}" -set_cover_merge=1 -use_counters=0 -max_len=2048 "$merged" "$corpus" "$found" >"$LOGS/fuzz-corpus.log" 2>&1 ||
		die "the corpus has a case that differs; log: $LOGS/fuzz-corpus.log"
	rm -f "$corpus"/*
	cp "$merged"/* "$corpus/"
	echo "corpus: $(find "$corpus" -type f | wc -l) cases, $(du -bs "$corpus" | cut -f1) bytes"
	exit
fi

log=$LOGS/fuzz.log
note "fuzz for $seconds seconds (log: $log)"
: >"$log"
status=0
beating fuzz "$log" logged "$log" "${fuzzer[@]}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=2048 \
	-print_final_stats=1 -artifact_prefix="$TOP/results/fuzz/" "$found" "$corpus" || status=$?

if ((status)); then
	reproducer=$(sed -nE 's/.*Test unit written to (.*)$/\1/p' "$log" | tail -n 1)
	grep -A 4 "panicked at" "$log" | sed 's/^/    | /' >&2 || tail -n 15 "$log" >&2
	[[ -n $reproducer ]] || die "the fuzzer failed (status $status); log: $log"
	die "a case differs: $reproducer; replay it: scripts/run/fuzz.sh --replay $reproducer"
fi
sed -nE 's/^stat::number_of_executed_units: *([0-9]+)$/fuzz: \1 cases, no difference/p' "$log"
