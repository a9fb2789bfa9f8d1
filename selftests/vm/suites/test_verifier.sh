#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_verifier.sh OUT: runs all of its tests; with a JIT, once more with blinded constants.

# shellcheck source=selftests/vm/giants.sh
source "$(dirname "$0")/../giants.sh"

set -u
out=$1 mode=/sys/module/bpf_patcher/parameters/mode
# Blinding makes a million patches for each of these, which takes stock a day.
GIANTS='ld_dw: xor semi-random 64 bit imms, test 5|scale: scale test [12]'

status=0
exec >"$out/log" 2>&1
./test_verifier || status=1
if [[ $(sysctl -n net.core.bpf_jit_enable) != 0 ]]; then
	mapfile -t giants < <(sed -nE "s~^#([0-9]+/[up] ($GIANTS)) .*~\\1~p" "$out/log")
	mapfile -t ranges < <(sed -nE 's~^#([0-9]+)/[up] (.*)~\1 \2~p' "$out/log" | ranges_without " ($GIANTS) ")
	((${#giants[@]} && ${#ranges[@]} > 1)) || exit 125
	sysctl -qw net.core.bpf_jit_harden=2 || exit 125
	echo "@blinded"
	if [[ $(cat "$mode") == patcher ]]; then
		./test_verifier || status=1
	else
		printf '@left_out #%s\n' "${giants[@]}"
		for range in "${ranges[@]}"; do ./test_verifier "${range% *}" "${range#* }" || status=1; done
	fi
fi
echo "@end"
exit "$status"
