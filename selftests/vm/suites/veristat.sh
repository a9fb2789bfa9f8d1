#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# veristat.sh OUT: loads the programs of all objects, with a process for each CPU. Some of the programs
# attach to bpf_testmod.ko.

set -u
out=$1
cpus=$(nproc)
columns=file,prog,verdict,insns,prog_size,prog_size_jited
# Objects at a time: veristat prints all of its rows in the end.
batch=16

# worst COMMAND...: the variable `status` becomes the status of the command if that is the higher one. That of
# veristat is an errno of its last object; one that was killed has more.
worst() {
	local this=0
	"$@" || this=$?
	((this <= status)) || status=$this
}

# share I: the objects of CPU I.
share() {
	local i=$1 objects total done=0 status=0
	mapfile -t objects < <(printf '%s\n' ./*.bpf.o | awk -v cpus="$cpus" -v i="$i" 'NR % cpus == i')
	total=${#objects[@]}
	while ((done < total)); do
		worst ./veristat -q -o csv -e "$columns" "${objects[@]:done:batch}" >>"$out/part.$i" 2>>"$out/errors.$i"
		done=$((done + batch < total ? done + batch : total))
		((i)) || echo "$((done * cpus)) of $((total * cpus)) objects"
	done
	return "$status"
}

insmod ./bpf_testmod.ko || exit 125
rm -f "$out"/part.* "$out"/errors.*
pids=()
for ((i = 0; i < cpus; i++)); do
	share "$i" &
	pids+=($!)
done
status=0
for pid in "${pids[@]}"; do worst wait "$pid"; done
cat "$out"/part.* >"$out/log"
rm -f "$out"/part.*
exit "$status"
