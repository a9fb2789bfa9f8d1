#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads the programs of all objects and lets the kernel's own kprobe events write down each pass and each edit: scripts/patch_stats.py
# reads OUT/log. Needs the module.

set -u
out=$1
tracing=/sys/kernel/tracing
instance=$tracing/instances/bpf_patcher
insmod ./bpf_testmod.ko || exit 125
{
	echo 'p:patcher/pass bpf_patcher_open name=prog->aux->name:string len=prog->len pass=pass'
	echo 'p:patcher/replace bpf_patcher_replace idx=%si:u32 cnt=%cx:u32'
	echo 'p:patcher/prepend bpf_patcher_prepend idx=%si:u32 cnt=%cx:u32'
	echo 'p:patcher/remove bpf_patcher_remove idx=%si:u32 cnt=%dx:u32'
} | while read -r event; do echo "$event" >>$tracing/kprobe_events || exit 1; done || exit 125
mkdir $instance
echo 32768 >$instance/buffer_size_kb
cat $instance/trace_pipe >"$out/log" &
reader=$!
echo 1 >$instance/events/patcher/enable
before=$(awk '$1 == "edits" { print $2 }' /sys/kernel/debug/bpf_patcher/stats)
number=0
for object in ./*.bpf.o; do
	((number++ % 50)) || echo "object $number, $object"
	echo "object ${object#./}" >$instance/trace_marker
	./veristat -q "$object" >/dev/null 2>&1
done
sleep 2
echo 0 >$instance/events/patcher/enable
kill $reader
awk -v before="$before" '$1 == "edits" { print "@edits", $2 - before }' /sys/kernel/debug/bpf_patcher/stats >>"$out/log"
