#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_verifier.sh OUT: all of its tests; with a JIT, once more with blinded constants.

set -u
out=$1 mode=/sys/module/bpf_patcher/parameters/mode
# Blinding makes a million patches for each of these, which takes stock's code a day.
GIANTS='ld_dw: xor semi-random 64 bit imms, test 5|scale: scale test [12]'

status=0
exec >"$out/log" 2>&1
./test_verifier || status=1
if [[ $(sysctl -n net.core.bpf_jit_enable) != 0 ]]; then
	mapfile -t giants < <(sed -nE "s~^#([0-9]+/[up] ($GIANTS)) .*~\\1~p" "$out/log")
	last=$(sed -nE 's~^#([0-9]+)/[up] .*~\1~p' "$out/log" | tail -n 1)
	((${#giants[@]})) || exit 125
	sysctl -qw net.core.bpf_jit_harden=2 || exit 125
	echo "@blinded"
	if [[ $(cat "$mode") == patcher ]]; then
		./test_verifier || status=1
	else
		from=0
		for giant in "${giants[@]}"; do
			echo "@left_out #$giant"
			((from >= ${giant%%/*})) || ./test_verifier "$from" "$((${giant%%/*} - 1))" || status=1
			from=$((${giant%%/*} + 1))
		done
		# With a number that is too high it would run all.
		((from > last)) || ./test_verifier "$from" "$last" || status=1
	fi
fi
echo "@end"
exit "$status"
