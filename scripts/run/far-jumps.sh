#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# far-jumps.sh [WHERE...]: loads random programs of long jumps, runs them, and compares their result with that of the
# loader's own interpreter. WHERE, by default the first four of these:
#   host      no programs: engine and naive model do random sessions with jumps of 8 bits, many of them too far
#   um        User-mode Linux, where the kernel interprets the programs
#   vm        a virtual machine, where they are compiled
#   blinded   the same with constants blinded
#   combined  the virtual machine: programs that combine all rewrites, in modes patcher and verify
#
# COUNT  2000 programs in each place; on the host 1 000 times as many cases. A program takes some 50 ms in um and 700 ms in an emulated machine
# SEED   1: the same seed gives the same programs
# LONG   50: one of 50 programs of combined is longer than 16 bits reach
# FAR    any, refused or loaded: the required result of programs with a jump that is too far

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"
# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

count=${COUNT:-2000} seed=${SEED:-1} far=${FAR:-any} long=${LONG:-50}
[[ $count =~ ^[1-9][0-9]*$ ]] || die "COUNT=$count is no number"
[[ $seed =~ ^[0-9]+$ ]] || die "SEED=$seed is no number"
[[ $long =~ ^[1-9][0-9]*$ ]] || die "LONG=$long is no number"
[[ $far =~ ^(any|refused|loaded)$ ]] || die "FAR=$far is none of any, refused and loaded"
places=("$@")
((${#places[@]})) || places=(host um vm blinded)
which=(--seed "$seed" --count "$count" --every $(((count + 9) / 10)))
args=(run --only far-jumps "${which[@]}" --far "$far")

# in_vm NAME ARGUMENT...: runs the loader in a virtual machine.
in_vm() {
	local name=$1 log status=0
	shift
	log=$(log_path "$name")
	run "$TOP/scripts/build/loader.sh"
	mkdir -p "$TOP/results"
	VM_SUITES='' VM_TIMEOUT=${VM_TIMEOUT:-$((count * 5 + 600))} VM_RESULTS=$TOP/results/$name MODE=patcher \
		CMD="'$(loader_path)' $*" piped "$TOP/scripts/run/vm.sh" vm-lean |
		tee "$log" | sed -un 's/^# /    /p' >&2 || status=${PIPESTATUS[0]}
	return "$status"
}

# Random cases on the host, against the naive model.
on_host() {
	local out
	host_prepare
	cd "$HOST_CRATE"
	out=$(host_cargo test env RANDOM_CASES=$((count * 1000)) GLIBC_TUNABLES="$HOST_MALLOC" cargo test --locked --release \
		--features short_reach --lib -- --nocapture cases::random 2>&1 | tee "$(log_path far-jumps-host)") ||
		die "engine and model differ; log: $(log_path far-jumps-host)"
	[[ $out =~ sessions:\ ([0-9]+).*too_far:\ ([0-9]+).*relaxed:\ ([0-9]+),\ jumps:\ ([0-9]+) ]] || die "no tally in $(log_path far-jumps-host)"
	echo "host: ${BASH_REMATCH[1]} sessions, ${BASH_REMATCH[2]} with a jump too far, of these ${BASH_REMATCH[3]} relaxed, ${BASH_REMATCH[4]} far jumps made"
}

for place in "${places[@]}"; do
	name=far-jumps-$place status=0
	case $place in
	host)
		on_host
		continue
		;;
	um)
		boot_prepare um
		UML_TIMEOUT=${UML_TIMEOUT:-$((count + 600))} boot_loader um "$name" "${args[@]}" || status=$?
		;;
	vm) in_vm "$name" "${args[@]}" --jit 1 --harden 0 || status=$? ;;
	blinded) in_vm "$name" "${args[@]}" --jit 1 --harden 2 || status=$? ;;
	combined) in_vm "$name" run --only combined "${which[@]}" --long "$long" || status=$? ;;
	*) die "'$place' is none of host, um, vm, blinded and combined" ;;
	esac
	((status == 0)) || die "$place: a program is not as it should be (status $status); log: $(log_path "$name")"
	echo "$place: $(said "$name")"
done
