#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host-sanitizers.sh: on the host, the engine's tests (PROPTEST_CASES: cases of each property, 256) and the fuzzer (TIME:
# seconds, 60) under AddressSanitizer, and the spare session, which loaders share, under ThreadSanitizer.
# host-sanitizers.sh --plant: the same tests on copies of the module with a planted fault each, which have to fail.
#
# The tool root's rustc has the instrumentation, which is not stable, and not the runtimes: those are gcc's.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"
# shellcheck source=scripts/lib/plant.sh
source "$TOP/scripts/lib/plant.sh"

seconds=${TIME:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "TIME=$seconds is not a number of seconds"

# What both take of rustc. Rust's own library is not instrumented, which it is told.
runtime() { case $1 in address) echo asan ;; thread) echo tsan ;; esac }
flags() {
	echo "-Zsanitizer=$1 -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer -Clinker=gcc" \
		"-Clink-arg=-Wl,--no-as-needed -Clink-arg=-l$(runtime "$1")"
}

# sanitized SANITIZER COMMAND...: in the tool root. The runtime has to come first among the libraries, and cargo has
# none of it.
sanitized() {
	local library suppressions
	suppressions=$(host_target)/$1-sanitizer/suppressions
	library=$(run "$TOP/scripts/setup/inroot.sh" gcc -print-file-name="lib$(runtime "$1").so")
	mkdir -p "${suppressions%/*}"
	# By this channel Rust's tests tell their results.
	echo race:mpmc >"$suppressions"
	host_cargo "$1-sanitizer" env RUSTC_BOOTSTRAP=1 PROPTEST_CASES="${PROPTEST_CASES:-256}" GLIBC_TUNABLES="$HOST_MALLOC" \
		TSAN_OPTIONS="suppressions=$suppressions" CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="env LD_PRELOAD=$library" "${@:2}"
}

# tests SANITIZER LOG [FILTER]: all tests of the checkout TOP, or those with FILTER in their names. Sets `passed`.
tests() {
	(
		cd "$TOP/selftests/host"
		RUSTFLAGS=$(flags "$1") sanitized "$1" cargo test --release --locked --lib --jobs "$JOBS" --target "$HOST_TRIPLE" "${@:3}"
	) >"$2" 2>&1 || return
	passed=$(sed -nE 's/^test result: ok\. ([1-9][0-9]*) passed.*/\1/p' "$2")
	[[ -n $passed ]]
}

# good LOG COMMAND...
good() {
	"${@:2}" || {
		tail -n 30 "$1" >&2
		die "a sanitizer or a test has something to say; log: $1"
	}
}

# planted SANITIZER SAID FILE OLD NEW [FILTER]: the tests with a fault fail, and say so.
planted() {
	local dir log=$LOGS/$1-sanitizer-planted.log
	dir=$(partial_dir host-sanitizers)
	cp -a "$TOP"/{configs,patches,rust,scripts,selftests} "$dir/"
	plant "$dir/$3" "$4" "$5" || die "$3: the fault that is to be planted no longer fits"
	if TOP=$dir tests "$1" "$log" "${@:6}" || ! grep -m1 "$2" "$log"; then
		die "the fault in $3 is NOT noticed; log: $log"
	fi
	remove_tree "$dir"
	echo "noticed: $3: $5"
}

host_prepare
mkdir -p "$LOGS"
if [[ ${1:-} == --plant ]]; then
	line=$(grep '^aux-past-end | ' "$TOP/selftests/trust.list")
	IFS=$'\x01' read -r _ _ _ file old new _ <<<"${line// | /$'\x01'}"
	planted address 'AddressSanitizer: heap-buffer-overflow' "$file" "$old" "$new"
	# Rust's own library is not instrumented, which gives false reports: there may be none without the fault.
	good "$LOGS/thread-sanitizer.log" tests thread "$LOGS/thread-sanitizer.log" shared::
	planted thread 'ThreadSanitizer: data race' rust/spare.rs 'xchg(new, Full)' 'xchg(new, kernel::sync::atomic::Relaxed)' shared::
	exit
fi

cd "$HOST_CRATE"
log=$LOGS/address-sanitizer.log
note "the engine's tests under AddressSanitizer (log: $log)"
good "$log" tests address "$log"
engine=$passed

log=$LOGS/thread-sanitizer.log
note "the spare session under ThreadSanitizer (log: $log)"
good "$log" tests thread "$log" shared::
shared=$passed

log=$LOGS/address-sanitizer-fuzz.log
note "the fuzzer under AddressSanitizer for $seconds seconds (log: $log)"
fuzz() { RUSTFLAGS="$(flags address) ${HOST_FUZZ_FLAGS[*]}" sanitized address cargo "$1" --quiet --release --locked --target "$HOST_TRIPLE" -p host-fuzz "${@:2}"; }
fuzz build --jobs "$JOBS"
found=$(host_target)/address-sanitizer/corpus
mkdir -p "$found"
run_fuzzer() {
	fuzz run -- -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -max_len=2048 -print_final_stats=1 "$found" \
		"$HOST_CRATE/fuzz/corpus" >"$log" 2>&1 </dev/null
}
good "$log" run_fuzzer
cases=$(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)$/\1/p' "$log")
echo "AddressSanitizer: $engine tests and $cases cases of the fuzzer; ThreadSanitizer: $shared test of the spare session; no report"
