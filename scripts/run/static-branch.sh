#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static-branch.sh: builds a kernel with all series, and runs in each mode the tests of static branches in
# test_progs and test_verifier, and the loader, which switches branches while all CPUs run them. Then the
# cost of a trace point, in executed instructions. Last, programs without static branches: they
# have to be as on a kernel without the series. Kernels and suites are built from nothing the first time (an
# hour or two).
#
# KINDS     'vm-lean identity': with vm, the same with lockdep, in one mode and with fewer switches; with
#           vm-interp, that a program is refused without the JIT; with vm-debug, the same with KASAN. Each is a
#           kernel of its own, and identity takes vm-lean without the series too
# SWITCHES  while all CPUs run the program, of which the mode knows nothing: 100000 in mode patcher, 2000 elsewhere
# PROGRAMS  random ones; 200, for vm and vm-debug 50

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

export SERIES=static-branch
results=$TOP/results/static-branch
status=0

# suite KIND MODE [NAME=VALUE...]: runs the suite, with these variables.
suite() {
	local kind=$1 mode=$2 dir=$results/$1-$2
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir"
	run env MODE="$mode" VM_RESULTS="$dir" VM_TIMEOUT="${VM_TIMEOUT:-3600}" VM_SUITES=progs \
		CMD="env $* bash '$TOP/selftests/vm/suite.sh' '$dir' static_branch '$loader' '$progs'" \
		"$TOP/scripts/run/vm.sh" "$kind" </dev/null >"$dir/console" 2>&1 || status=1
	[[ $(cat "$dir/status" 2>/dev/null) == 0 ]] || status=1
	printf '%-9s %-8s %s\n' "$kind" "$mode" "$(tail -n 1 "$dir/log" 2>/dev/null)"
	no_reports <"$dir/kernel.log" || status=1
}

# The cost of a trace point that is off: at most one insn.
cost() {
	local dir=$results/cost
	rm -rf "$dir"
	mkdir -p "$dir"
	run env MODE=none VM_ICOUNT=1 VM_RESULTS="$dir" VM_SUITES="" \
		CMD="'$loader' switch --switches 0 --seconds 0 --repeat 10000 --at-most 1 >'$dir/log'" \
		"$TOP/scripts/run/vm.sh" vm-lean </dev/null >"$dir/console" 2>&1 || status=1
	sed -n 's/^@json {"cost"://p' "$dir/log"
}

# Programs without static branches are the same as without the series, insn by insn, and loading them takes as many
# instructions.
identity() {
	local dir=$results/identity series name
	rm -rf "$dir"
	for series in "" "$SERIES"; do
		name=${series:-first}
		mkdir -p "$dir/$name"
		run env SERIES="$series" MODE=stock VM_RESULTS="$dir/$name" VM_SUITES="" \
			CMD="'$loader' dump --progs '$progs' >'$dir/$name/dump'" \
			"$TOP/scripts/run/vm.sh" vm-lean </dev/null >"$dir/$name/console" 2>&1 || status=1
		run env SERIES="$series" "$TOP/scripts/run/bench.sh" short >"$dir/$name/bench" || status=1
		cp "$TOP/results/bench-short/bench.json" "$dir/$name/"
	done
	run "$TOP/scripts/setup/inroot.sh" python3 "$TOP/scripts/report/loader_report.py" compare "$dir"/{first,"$SERIES"}/dump || status=1
	run python3 "$TOP/scripts/report/bench.py" compare --mean 0.001 "$dir"/{first,"$SERIES"}/bench.json || status=1
}

lock_cache
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
pin_source_key
loader=$(loader_path) progs=$(progs_path)
for kind in ${KINDS:-vm-lean identity}; do
	case $kind in
	vm-lean)
		for mode in stock patcher verify; do
			[[ $mode == patcher ]] && switches=100000 || switches=2000
			suite "$kind" "$mode" "SWITCHES=${SWITCHES:-$switches}" "PROGRAMS=${PROGRAMS:-200}"
		done
		cost
		;;
	vm | vm-debug) suite "$kind" verify "SWITCHES=${SWITCHES:-2000}" "PROGRAMS=${PROGRAMS:-50}" ;;
	vm-interp) suite "$kind" patcher REFUSAL=1 ;;
	identity) identity ;;
	*) die "KINDS has '$kind'; there are vm-lean, identity, vm, vm-debug and vm-interp" ;;
	esac
done
exit "$status"
