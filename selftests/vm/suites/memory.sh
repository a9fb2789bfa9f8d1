#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# memory.sh OUT LIBRARY LOADER I/N: what rewriting allocates in modes stock and patcher, for the programs of
# all objects and, with the first share, for the loader's families: see selftests/bench/memory.c.
# OUT/memory.jsonl gets a line for each.

set -u
out=$1 library=$2 loader=$3 share=$4
insmod ./bpf_testmod.ko || exit 125
export BOTH_MODES_OUT=$out/memory.jsonl BOTH_MODES_MEMORY=1
: >"$BOTH_MODES_OUT"
if [[ ${share%/*} == 0 ]]; then
	# Ten thousand edits, which take minutes in mode stock; a policy of a thousand rules has as many insns.
	for family in context divmod ld_abs dead_code nops blinding zext; do
		echo "family $family"
		LD_PRELOAD=$library BOTH_MODES_LABEL=family "$loader" families --only $family --n 10000 --stock-max 0 --rounds 1 || exit 125
	done
fi
mapfile -t objects < <(printf '%s\n' ./*.bpf.o | awk -v i="${share%/*}" -v n="${share#*/}" 'NR % n == i')
number=0
for object in "${objects[@]#./}"; do
	((number++ % 20)) || echo "object $number of ${#objects[@]}, $object"
	LD_PRELOAD=$library BOTH_MODES_LABEL=$object ./veristat -q "$object" >/tmp/said 2>&1
	(($? != 125)) || { cat /tmp/said && exit 125; }
	grep '^both_modes:' /tmp/said
done
echo "$(wc -l <"$BOTH_MODES_OUT") programs"
