#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# far-jumps.sh [WHERE...]: loads random programs of long jumps, runs them, and compares what they return
# with what the loader's own interpreter makes of them. WHERE is um (User-mode Linux, where the kernel
# interprets them), vm (a virtual machine, where they are compiled) or blinded (there, with constants
# blinded); all three if there is none.
#
# COUNT  2000 programs in each place. One takes some 50 ms in um and 700 ms in an emulated machine
# SEED   1: the same seed gives the same programs
# FAR    any, refused or loaded: what has to come of programs with a jump that is too far

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

count=${COUNT:-2000} seed=${SEED:-1} far=${FAR:-any}
[[ $count =~ ^[1-9][0-9]*$ ]] || die "COUNT=$count is no number"
[[ $seed =~ ^[0-9]+$ ]] || die "SEED=$seed is no number"
[[ $far =~ ^(any|refused|loaded)$ ]] || die "FAR=$far is none of any, refused and loaded"
places=("$@")
((${#places[@]})) || places=(um vm blinded)
args=(far-jumps --seed "$seed" --count "$count" --far "$far" --every 500)

# in_vm NAME HARDEN: the programs in a virtual machine.
in_vm() {
	local log status=0
	log=$(log_path "$1")
	run "$TOP/scripts/build/loader.sh"
	mkdir -p "$TOP/results"
	VM_SUITES='' VM_TIMEOUT=${VM_TIMEOUT:-$((count * 5 + 600))} VM_RESULTS=$TOP/results/$1 MODE=patcher \
		CMD="'$(loader_path)' ${args[*]} --jit 1 --harden $2" run "$TOP/scripts/run/vm.sh" vm-lean |
		tee "$log" | sed -un 's/^# /    /p' >&2 || status=${PIPESTATUS[0]}
	return "$status"
}

for place in "${places[@]}"; do
	name=far-jumps-$place status=0
	case $place in
	um)
		boot_prepare um
		UML_TIMEOUT=${UML_TIMEOUT:-$((count + 600))} boot_loader um "$name" "${args[@]}" || status=$?
		;;
	vm) in_vm "$name" 0 || status=$? ;;
	blinded) in_vm "$name" 2 || status=$? ;;
	*) die "'$place' is none of um, vm and blinded" ;;
	esac
	((status == 0)) || die "$place: a program is not as it should be (status $status); log: $(log_path "$name")"
	echo "$place: $(json_number "$name" programs) programs of long jumps, $(json_number "$name" with_far_jumps) with far ones," \
		"$(json_number "$name" refused) refused, $(json_number "$name" runs) runs as written, $(json_number "$name" far_jumps) far jumps made"
done
