#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# asan.sh: the engine's tests on the host, those of properties with PROPTEST_CASES cases (256), and the fuzzer for
# TIME seconds (60), under AddressSanitizer.
# asan.sh --plant: the tests on a copy of the engine with a write past the end of the slots, which has to be
# noticed.
#
# The tool root's rustc has the instrumentation, which is not stable, and not the runtime: that is gcc's.

# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

seconds=${TIME:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "TIME=$seconds is not a number of seconds"
flags=(-Zsanitizer=address -Zexternal-clangrt -Clinker=gcc "-Clink-arg=-Wl,--no-as-needed" -Clink-arg=-lasan)

# asan COMMAND...: in the tool root. The runtime has to come first among the libraries, and cargo has none of it.
asan() {
	host_cargo asan env RUSTC_BOOTSTRAP=1 PROPTEST_CASES="${PROPTEST_CASES:-256}" GLIBC_TUNABLES="$HOST_MALLOC" \
		CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="env LD_PRELOAD=$(run "$TOP/scripts/setup/inroot.sh" gcc -print-file-name=libasan.so)" "$@"
}
tests() { RUSTFLAGS=${flags[*]} asan cargo test --release --locked --jobs "$JOBS" --target "$HOST_TRIPLE"; }

host_prepare
log=$LOGS/asan.log
mkdir -p "$LOGS"
if [[ ${1:-} == --plant ]]; then
	dir=$(partial_dir asan)
	cp -a "$TOP"/{configs,patches,rust,scripts,selftests} "$dir/"
	# shellcheck source=scripts/lib/plant.sh
	source "$TOP/scripts/lib/plant.sh"
	line=$(grep '^slots-past-end | ' "$TOP/selftests/trust.list")
	IFS=$'\x01' read -r _ _ _ file old new _ <<<"${line// | /$'\x01'}"
	plant "$dir/$file" "$old" "$new" || die "$TOP/selftests/trust.list: slots-past-end no longer fits"
	TOP=$dir HOST_CRATE=$dir/selftests/host
	cd "$HOST_CRATE"
	if tests >"$log" 2>&1 || ! grep -m1 'AddressSanitizer: heap-buffer-overflow' "$log"; then
		die "AddressSanitizer does not notice a write past the end of the slots; log: $log"
	fi
	remove_tree "$dir"
	echo "AddressSanitizer notices a write past the end of the slots"
	exit
fi

cd "$HOST_CRATE"
note "the engine's tests under AddressSanitizer (log: $log)"
tests >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	die "a test failed; log: $log"
}
passed=$(sed -nE 's/^test result: ok\. ([1-9][0-9]*) passed.*/\1/p' "$log" | tail -n 1)
note "the fuzzer under AddressSanitizer for $seconds seconds (log: $LOGS/asan-fuzz.log)"
RUSTFLAGS="${flags[*]} ${HOST_FUZZ_FLAGS[*]}" asan cargo build --quiet --release --locked --jobs "$JOBS" --target "$HOST_TRIPLE" -p host-fuzz
found=$(host_target)/asan/corpus
mkdir -p "$found"
RUSTFLAGS="${flags[*]} ${HOST_FUZZ_FLAGS[*]}" asan cargo run --quiet --release --locked --target "$HOST_TRIPLE" -p host-fuzz -- \
	-max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -max_len=2048 -print_final_stats=1 "$found" "$HOST_CRATE/fuzz/corpus" \
	>"$LOGS/asan-fuzz.log" 2>&1 </dev/null || {
	tail -n 30 "$LOGS/asan-fuzz.log" >&2
	die "AddressSanitizer or the model has something to say; log: $LOGS/asan-fuzz.log"
}
cases=$(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)$/\1/p' "$LOGS/asan-fuzz.log")
echo "AddressSanitizer: ${passed:-0} tests and $cases cases of the fuzzer, no report"
