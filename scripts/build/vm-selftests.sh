#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm-selftests.sh KIND [base|progs|all]: builds the kernel's own BPF test suites for a kernel of the
# virtual machine, and the modules that they load. base is test_verifier; progs adds test_progs,
# test_maps and veristat; all adds the other flavours of test_progs. The suites for vm-stock are those of vm-lean, with
# modules of its own.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# The suites build where their sources are. So they get a tree, which shares its files with the patched
# tree. rsync and the build replace files and do not write through links.
compile() {
	local source=$1 kind=$2 dir=$3 set=$4 build leaked net args
	shift 4
	build=$(kernel_path "$kind")
	mapfile -t args < <(kernel_make_args "$kind")
	if [[ ! -d $dir ]]; then
		rm -rf "$dir.new"
		cp -al "$source" "$dir.new"
		mv "$dir.new" "$dir"
	fi
	touch "$dir/.bpf-patcher.start"
	run "$TOP/scripts/setup/inroot.sh" rsync -rlp --no-times --checksum "$source/tools/" "$dir/tools/"
	# With O= the output would go there; from the environment it only names the kernel.
	run "$TOP/scripts/setup/inroot.sh" env KBUILD_OUTPUT="$build" make -C "$dir/$SUITES" "${args[@]:0:2}" -j"$JOBS" \
		VMLINUX_BTF="$build/vmlinux" SKIP_DOCS=1 "$@"
	if [[ $set == all ]]; then
		# What bpf_offload.py loads.
		net=$dir/${SUITES%/*}/net
		run "$TOP/scripts/setup/inroot.sh" make -C "$net" "${args[@]:0:2}" CLANG=clang-22 "$net"/sample_{ret0,map_ret0}.bpf.o
	fi
	leaked=$(find "$dir/tools" "$dir/kernel" "$dir/scripts" -type f -newer "$dir/.bpf-patcher.start" -links +1 -print -quit)
	[[ -z $leaked ]] || {
		echo "refused: the suites' build wrote through a hard link ($leaked)"
		exit 1
	}
}

modules() {
	local source=$1 kind=$2 dir=$3 args
	mapfile -t args < <(kernel_make_args "$kind")
	mkdir -p "$dir"
	run "$TOP/scripts/setup/inroot.sh" rsync -rlp --no-times --checksum "$source/$SUITES/test_kmods/" "$dir/"
	run "$TOP/scripts/setup/inroot.sh" make -C "$(kernel_path "$kind")" "${args[@]}" -j"$JOBS" M="$dir" modules
}

SUITES=tools/testing/selftests/bpf
dispatch_step "$@"

# up_to_date STAMP: was it built for this kernel?
up_to_date() { [[ $(cat "$1" 2>/dev/null) == "$want" ]]; }

kind=${1:-vm} set=${2:-all}
# What to build, and the sets that this completes.
targets=(test_verifier) sets=(base)
case $set in
base) ;;
progs) targets+=(test_progs test_maps veristat) sets+=(progs) ;;
all) targets+=(test_progs test_progs-no_alu32 test_progs-cpuv4 test_maps veristat) sets+=(progs all) ;;
*) die "usage: vm-selftests.sh KIND [base|progs|all]" ;;
esac

lock_cache
run "$TOP/scripts/build/kernel.sh" "$kind"
pin_source_key
source=$(kernel_source "$kind")
want=$(kernel_stamp "$kind")

dir=$(vm_selftests_path "$kind")
suites=$(kind_value "$kind" suites)
if [[ $suites != "$kind" ]]; then
	run "$TOP/scripts/build/vm-selftests.sh" "$suites" "$set"
elif ! up_to_date "$dir.$set.stamp"; then
	[[ -d $dir ]] || need_disk 8000 "the kernel's BPF test suites"
	rm -f "$dir".*.stamp
	stage "the kernel's BPF test suites for $kind ($set)" "$kind-selftests" compile "$source" "$kind" "$dir" "$set" "${targets[@]}"
	for set in "${sets[@]}"; do echo "$want" >"$dir.$set.stamp"; done
fi

dir=$(vm_kmods_path "$kind")
up_to_date "$dir/.bpf-patcher.stamp" || {
	stage "the test suites' modules for $kind" "$kind-kmods" modules "$source" "$kind" "$dir"
	echo "$want" >"$dir/.bpf-patcher.stamp"
}
