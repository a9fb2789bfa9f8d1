#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_progs.sh OUT [FLAVOUR]: runs the tests in OUT/tests, or all, in batches with a process for each
# CPU. Where a test brings its batch down, the rest of the batch runs one by one. Failed tests run twice
# more. If the machine dies, the next one resumes.

set -u
out=$1 program=./test_progs${2:+-$2}
BATCH=24

touch "$out/log"
# The last verdict of each test that has one.
declare -A verdict
read_verdicts() {
	local name last
	while read -r name last; do verdict[$name]=$last; done < <(
		sed -nE 's/^#[0-9]+ +([^/: ]+):(OK|FAIL|SKIP).*/\1 \2/p; s/^@crash (.*)/\1 CRASH/p' "$out/log"
	)
}

# start SECONDS WORKERS TEST...: with WORKERS empty, in one process.
start() {
	local limit=$1 workers=$2
	shift 2
	printf '%s\n' "$@" >"$out/running"
	sync "$out/running"
	# The watchdog's two minutes are for real CPUs.
	timeout --kill-after=10 "$limit" "$program" ${workers:+-j"$workers"} -w 1200 -a "$(IFS=, && echo "$*")" >>"$out/log" 2>&1
	rm -f "$out/running"
	read_verdicts
}

# singly TEST...
singly() {
	local name
	for name in "$@"; do
		[[ -n ${verdict[$name]:-} ]] || start 1800 "" "$name"
		[[ -n ${verdict[$name]:-} ]] || echo "@crash $name" >>"$out/log"
	done
	read_verdicts
}

if [[ -s $out/tests ]]; then
	mapfile -t tests <"$out/tests"
else
	mapfile -t tests < <("$program" -l 2>/dev/null)
fi
((${#tests[@]})) || exit 125

if [[ -s $out/running ]]; then
	mapfile -t left <"$out/running"
	rm -f "$out/running"
	((${#left[@]} > 1)) || echo "@crash ${left[0]}" >>"$out/log"
	read_verdicts
	singly "${left[@]}"
fi
read_verdicts
todo=()
for name in "${tests[@]}"; do [[ -n ${verdict[$name]:-} ]] || todo+=("$name"); done
for ((i = 0; i < ${#todo[@]}; i += BATCH)); do
	batch=("${todo[@]:i:BATCH}")
	echo "$((${#tests[@]} - ${#todo[@]} + i)) of ${#tests[@]}, now ${batch[0]}"
	start 7200 "$(nproc)" "${batch[@]}"
	singly "${batch[@]}"
done

for round in 1 2; do
	for name in "${!verdict[@]}"; do
		[[ ${verdict[$name]} == FAIL ]] || continue
		echo "again, $round of 2: $name"
		echo "@again $name" >>"$out/log"
		start 1800 "" "$name"
	done
done
[[ " ${verdict[*]} " != *" FAIL "* && " ${verdict[*]} " != *" CRASH "* ]]
