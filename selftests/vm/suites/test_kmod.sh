#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_kmod.sh OUT JIT-HARDEN...: the kernel's test_kmod.sh, one of its runs at a time, with what the module test_bpf says. The first
# has to be one without blinding.

set -u
out=$1
shift
mode=$(cat /sys/module/bpf_patcher/parameters/mode)
# Each is a program of 100 000 insns, and blinding makes a patch of most: stock's code takes minutes for each of a hundred.
GIANTS='(ALU|ATOMIC|JMP)[^:]*: all .* magnitudes'
status=0

# run JIT-HARDEN [PARAMETER...]: test_kmod.sh clears the kernel's messages first, which only a reader that follows them does not mind.
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

# Of the first run: number and name of each test.
tests() { sed -nE '/^test_bpf: Summary/q; s/^test_bpf: #([0-9]+) (.*) jited:.*/\1 \2/p' "$out/log"; }

exec >"$out/log" 2>&1
for config; do
	if [[ $config != *-2 ]]; then
		run "$config"
		continue
	fi
	mapfile -t ranges < <(tests | awk -v giants="$GIANTS" '
		{ giant = $0 ~ giants }
		NR == 1 || giant != was { if (NR > 1) print first, last, was; first = $1 }
		{ last = $1; was = giant }
		END { print first, last, was }')
	((${#ranges[@]} > 1)) || exit 125
	for range in "${ranges[@]}"; do
		read -r first last giant <<<"$range"
		if ((giant)) && [[ $mode != patcher ]]; then
			tests | awk -v first="$first" -v last="$last" '$1 >= first && $1 <= last { print "@left_out #" $0 }'
		else
			run "$config" test_suite=test_bpf test_range="$first,$last"
		fi
	done
	run "$config" test_suite=test_tail_calls
	run "$config" test_suite=test_skb_segment
done
exit "$status"
