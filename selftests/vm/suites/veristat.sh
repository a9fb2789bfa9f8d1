#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# veristat.sh OUT: loads the programs of all objects, with a process for each CPU. Some of the programs
# attach to bpf_testmod.ko.

set -u
out=$1
cpus=$(nproc)
columns=file,prog,verdict,insns,prog_size,prog_size_jited
insmod ./bpf_testmod.ko || exit 125
pids=()
for ((i = 0; i < cpus; i++)); do
	mapfile -t objects < <(printf '%s\n' ./*.bpf.o | awk -v cpus="$cpus" -v i="$i" 'NR % cpus == i')
	./veristat -q -o csv -e "$columns" "${objects[@]}" >"$out/part.$i" 2>"$out/errors.$i" &
	pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
cat "$out"/part.* >"$out/log"
rm -f "$out"/part.*
exit "$status"
