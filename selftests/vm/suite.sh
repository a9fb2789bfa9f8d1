#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# suite.sh OUT SUITE [ARGUMENT...]: runs one of suites/ inside the virtual machine, in the directory of the kernel's BPF test suites.
# What it prints goes to OUT/log, which scripts/report/selftests_report.py reads, and the status it ends with to OUT/status. This script
# fails if the suite could not be run, whatever the suite says.
#
# HARDEN and JIT: values for net.core.bpf_jit_harden and net.core.bpf_jit_enable.

set -u
out=$1 suite=$2
shift 2

# set_sysctl NAME VALUE: a value that is not taken would make the results those of something else.
set_sysctl() {
	sysctl -qw "net.core.$1=$2"
	[[ $(sysctl -n "net.core.$1") == "$2" ]] || {
		echo "error: net.core.$1 is not to be had at $2"
		exit 1
	}
}
[[ -z ${JIT:-} ]] || set_sysctl bpf_jit_enable "$JIT"
[[ -z ${HARDEN:-} ]] || set_sysctl bpf_jit_harden "$HARDEN"

mkdir -p "$out"
status=0
bash "$(dirname "$0")/suites/$suite.sh" "$out" "$@" || status=$?
((status < 125)) || {
	echo "error: $suite could not be run"
	exit 1
}
echo "$status" >"$out/status"
