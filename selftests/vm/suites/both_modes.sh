#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# both_modes.sh OUT LIBRARY I/N [OBJECT...]: loads the programs of these objects, or of all, in modes stock
# and patcher. Of each N objects it takes the I-th, counted from 0. OUT/loads.jsonl gets a line for each
# program; selftests/bench/both_modes.c describes it, and the variables MEMORY and AS_IS.

set -u
out=$1 library=$2 share=$3
shift 3
insmod ./bpf_testmod.ko || exit 125
objects=("$@")
((${#objects[@]})) || objects=(*.bpf.o)
mapfile -t objects < <(printf '%s\n' "${objects[@]}" | awk -v i="${share%/*}" -v n="${share#*/}" 'NR % n == i')
export BOTH_MODES_OUT=$out/loads.jsonl BOTH_MODES_ROUNDS=${ROUNDS:-3}
[[ -z ${AS_IS:-} ]] || export BOTH_MODES_AS_IS=$AS_IS
[[ -z ${MEMORY:-} ]] || export BOTH_MODES_MEMORY=1
: >"$BOTH_MODES_OUT"
number=0
for object in "${objects[@]}"; do
	((number++ % 20)) || echo "object $number of ${#objects[@]}, $object"
	LD_PRELOAD=$library BOTH_MODES_LABEL=$object ./veristat -q "$object" >/tmp/said 2>&1
	# Some objects do not open on this kernel; that is the same with and without the library.
	(($? != 125)) || { cat /tmp/said && exit 125; }
	grep '^both_modes:' /tmp/said
done
echo "$(wc -l <"$BOTH_MODES_OUT") programs"
