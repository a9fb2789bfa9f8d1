#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static-branch.sh: builds a kernel with both series, and runs in each mode what belongs to the second one:
# its tests in test_progs and test_verifier, and the loader, which switches branches while all CPUs run
# them. Ends with what a trace point costs, in executed instructions. The kernel and its suites are built
# from nothing the first time (an hour or two).

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

export SERIES=static-branch
kind=vm-lean
results=$TOP/results/static-branch

lock_cache
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
pin_source_key
loader=$(loader_path) progs=$(progs_path)
status=0
for mode in stock patcher verify; do
	dir=$results/$mode
	mkdir -p "$dir"
	run env MODE="$mode" VM_RESULTS="$dir" VM_TIMEOUT="${VM_TIMEOUT:-3600}" VM_SUITES=progs \
		CMD="bash '$TOP/selftests/vm/suite.sh' '$dir' static_branch '$loader' '$progs'" \
		"$TOP/scripts/run/vm.sh" "$kind" </dev/null >"$dir/console" 2>&1 || status=1
	[[ $(cat "$dir/status" 2>/dev/null) == 0 ]] || status=1
	printf '%-8s %s\n' "$mode" "$(tail -n 1 "$dir/log" 2>/dev/null)"
done

dir=$results/cost
mkdir -p "$dir"
run env MODE=none VM_ICOUNT=1 VM_RESULTS="$dir" VM_SUITES="" \
	CMD="'$loader' static-branch --switches 0 --programs 0 --seconds 0 --repeat 10000 >'$dir/log'" \
	"$TOP/scripts/run/vm.sh" "$kind" </dev/null >"$dir/console" 2>&1 || status=1
sed -n 's/^@json {"cost"://p' "$dir/log"
exit "$status"
