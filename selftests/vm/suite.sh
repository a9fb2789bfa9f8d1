#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# suite.sh OUT SUITE [ARGUMENT...]: runs one of suites/ inside the virtual machine, in the directory of
# the kernel's BPF test suites. Its output goes to OUT/log, its status to OUT/status;
# scripts/report/selftests_report.py reads both. This script fails if the suite could not be run, not if
# a test fails.
#
# HARDEN and JIT: values for net.core.bpf_jit_harden and net.core.bpf_jit_enable.

set -u
out=$1 suite=$2
shift 2

# set_sysctl NAME VALUE: fails if the kernel does not take the value, as the results would mislead.
set_sysctl() {
	sysctl -qw "net.core.$1=$2"
	[[ $(sysctl -n "net.core.$1") == "$2" ]] || {
		echo "error: net.core.$1 cannot be set to $2"
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
