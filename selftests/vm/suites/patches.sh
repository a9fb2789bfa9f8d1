#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads the programs of all objects and lets the kernel's own kprobe events write down each pass and each patch: scripts/report/patch_stats.py
# reads OUT/log. For mode stock, where each edit is a call of the kernel's function: ftrace, and so kprobe events, do not know the module's.

set -u
out=$1
tracing=/sys/kernel/tracing
instance=$tracing/instances/bpf_patcher
insmod ./bpf_testmod.ko || exit 125
{
	echo 'p:patcher/open bpf_patcher_open_env name=env->prog->aux->name:string len=env->prog->len pass=pass'
	echo 'p:patcher/close bpf_patcher_close_env'
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
# How often the kernel came by, and how often it could not write it down.
awk '{ print "@" $1, $2, $3 } $1 == "patch" || $1 == "remove" { sum += $2 } END { print sum, "patches" }' $tracing/kprobe_profile >>"$out/log"
