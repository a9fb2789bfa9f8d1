#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test_kmod.sh clears the kernel's messages between its four runs, which only a reader that follows them does not mind.

set -u
out=$1
dmesg --follow-new >"$out/messages" &
follow=$!
sleep 1
status=0
./test_kmod.sh >"$out/log" 2>&1 || status=$?
sleep 2
kill "$follow"
grep -o 'test_bpf: .*' "$out/messages" >>"$out/log"
rm -f "$out/messages"
exit "$status"
