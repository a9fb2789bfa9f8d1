#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# both_modes.sh OUT LIBRARY [OBJECT...]: loads the programs of these objects, or of all, in modes stock and
# patcher. OUT/loads.jsonl gets a line for each: see selftests/bench/both_modes.c.

set -u
out=$1 library=$2
shift 2
insmod ./bpf_testmod.ko || exit 125
objects=("$@")
((${#objects[@]})) || objects=(*.bpf.o)
export BOTH_MODES_OUT=/tmp/loads.jsonl
: >$BOTH_MODES_OUT
number=0
for object in "${objects[@]}"; do
	((number++ % 20)) || echo "object $number of ${#objects[@]}, $object"
	LD_PRELOAD=$library BOTH_MODES_LABEL=$object ./veristat -q "$object" >/tmp/said 2>&1
	# Some objects do not open on this kernel; that is the same with and without the library.
	grep '^both_modes:' /tmp/said && exit 125
done
cp $BOTH_MODES_OUT "$out/loads.jsonl"
echo "$(wc -l <$BOTH_MODES_OUT) programs"
