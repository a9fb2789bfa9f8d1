#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# patches.sh OUT: loads the programs of all objects, while kprobe events of the kernel record each pass
# and each patch in OUT/log; scripts/report/patch_stats.py reads that. For mode stock, where each edit is
# a call of a C function. A kprobe event cannot be put on the module's Rust functions.

set -u
out=$1
tracing=/sys/kernel/tracing
instance=$tracing/instances/bpf_patcher
insmod ./bpf_testmod.ko || exit 125
{
	# The first pass, of every program.
	echo 'p:patcher/load bpf_optimize_bpf_loop name=env->prog->aux->name:string len=env->prog->len'
	# In front of each edit of a pass, and at the end of the pass.
	echo 'p:patcher/edit bpf_rewrite_records pass=rw->pass'
	echo 'p:patcher/close bpf_rewrite_commit'
	echo 'p:patcher/patch bpf_patch_insn_data cnt=len'
	echo 'p:patcher/remove verifier_remove_insns cnt=cnt'
} | while read -r event; do echo "$event" >>$tracing/kprobe_events || exit 1; done || exit 125
mkdir $instance
echo 32768 >$instance/buffer_size_kb
cat $instance/trace_pipe >"$out/log" &
reader=$!
echo 1 >$instance/events/patcher/enable
number=0
for object in ./*.bpf.o; do
	((number++ % 50)) || echo "object $number, $object"
	echo "object ${object#./}" >$instance/trace_marker
	./veristat -q "$object" >/dev/null 2>&1
done
sleep 2
echo 0 >$instance/events/patcher/enable
kill $reader
# How often each event was hit, and how often the kernel could not record it.
awk '{ print "@" $1, $2, $3 } $1 == "patch" || $1 == "remove" { sum += $2 } END { print sum, "patches" }' $tracing/kprobe_profile >>"$out/log"
