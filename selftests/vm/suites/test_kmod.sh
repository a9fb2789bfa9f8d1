#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_kmod.sh OUT JIT-HARDEN...: runs the kernel's test_kmod.sh, one of its runs at a time, and keeps the
# messages of the module test_bpf. The first run has to be one without blinding.

# shellcheck source=selftests/vm/giants.sh
source "$(dirname "$0")/../giants.sh"

set -u
out=$1
shift
mode=$(cat /sys/module/bpf_patcher/parameters/mode)
# Each is a program of 100 000 insns, and blinding patches most of them: stock takes minutes for each.
GIANTS='(ALU|ATOMIC|JMP)[^:]*: all .* magnitudes'
status=0

# run JIT-HARDEN [PARAMETER...]: test_kmod.sh clears the kernel's messages first, so they are followed.
run() {
	local call="test_run ${1/-/ } \"\$@\"" follow
	[[ $(grep -cFx "$call" test_kmod.sh) == 1 ]] || exit 125
	echo "@run $1"
	dmesg --follow-new >"$out/messages" &
	follow=$!
	sleep 1
	sed "/^test_run /{/^$call\$/!d}" test_kmod.sh | sh -s "${@:2}" || status=1
	sleep 1
	kill "$follow"
	wait "$follow" 2>/dev/null
	grep -o 'test_bpf: .*' "$out/messages"
	rm -f "$out/messages"
}

# Number and name of each test of the first run.
tests() { sed -nE '/^test_bpf: Summary/q; s/^test_bpf: #([0-9]+) (.*) jited:.*/\1 \2/p' "$out/log"; }

# run_blinded JIT-HARDEN: the module's suites one by one, as it stops at the first that has a failure.
run_blinded() {
	local ranges=("") range
	if [[ $mode != patcher ]]; then
		mapfile -t ranges < <(tests | ranges_without "$GIANTS" | tr ' ' ',')
		((${#ranges[@]} > 1)) || exit 125
	fi
	for range in "${ranges[@]}"; do run "$1" test_suite=test_bpf ${range:+"test_range=$range"}; done
	[[ $mode == patcher ]] || tests | grep -E "$GIANTS" | sed 's/^/@left_out #/'
	run "$1" test_suite=test_tail_calls
	run "$1" test_suite=test_skb_segment
}

exec >"$out/log" 2>&1
for config; do
	case $config in
	*-2) run_blinded "$config" ;;
	*) run "$config" ;;
	esac
done
exit "$status"
