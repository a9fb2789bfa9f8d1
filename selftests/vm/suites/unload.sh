#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# unload.sh OUT LOADER ROUNDS: loads and unloads the module ROUNDS times, while eight processes load
# programs. No load may fail or give another program than before.

set -u
out=$1 loader=$2 rounds=$3
modes=(patcher verify)
TRIES=5
module=$(modinfo -n bpf_patcher) || exit 125
[[ ! -d /sys/module/bpf_patcher ]] || rmmod bpf_patcher || exit 125
pids=()
for i in {1..8}; do
	# Nice: with few CPUs rmmod would wait long for its turn.
	nice -n 19 "$loader" soak --until /run/stop >"$out/loader.$i" 2>&1 &
	pids+=($!)
done
busy=0 status=0
for ((round = 1; round <= rounds; round++)); do
	insmod "$module" "mode=${modes[round % 2]}" verify_warn=1 || exit 125
	sleep "0.0$((RANDOM % 10))"
	# The module is in use while a session is open, which with eight processes is nearly always. In
	# mode stock none is opened, so that the module comes free. Two of four rounds begin with mode
	# stock, the others come to it after some tries.
	((round % 4 < 2)) || echo stock >/sys/module/bpf_patcher/parameters/mode
	for ((tries = 0; ; tries++)); do
		! rmmod bpf_patcher 2>/dev/null || break
		busy=$((busy + 1))
		((tries != TRIES)) || echo stock >/sys/module/bpf_patcher/parameters/mode
		sleep 0.02
	done
	((round % 10)) || echo "round $round of $rounds"
	for pid in "${pids[@]}"; do kill -0 "$pid" || exit 1; done
done
touch /run/stop
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
# Loaded once more, so that the counters at the end are not zero.
if ! insmod "$module" || ! "$loader" soak --until /run/stop >>"$out/loader.1" 2>&1; then status=1; fi
cat "$out"/loader.* >"$out/log"
# Lockdep switches itself off when it reports something.
lockdep="not in this kernel"
if [[ -e /proc/lockdep_stats ]]; then
	lockdep="on"
	[[ $(awk '$1 == "debug_locks:" { print $2 }' /proc/lockdep_stats) == 1 ]] || lockdep="has found something" status=1
fi
loaded=$(sed -nE 's/.*"loaded":([0-9]+).*/\1/p' "$out/log" | awk '{ sum += $1 } END { print sum }')
failed=$(sed -nE 's/.*"failed":([0-9]+).*/\1/p' "$out/log" | awk '{ sum += $1 } END { print sum }')
echo "$rounds rounds, in use when it was to go $busy times; 8 processes loaded $loaded programs, $failed failed; lockdep $lockdep" |
	tee -a "$out/log"
exit "$status"
