#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm-module.sh KIND [CONTRACT]: builds bpf_patcher.ko for one of the virtual machine's kernels, out of tree: a copy of the module's
# sources, so that the checkout stays clean and every kernel has its own. With CONTRACT one that claims to be for that version of the
# contract, which the kernel has to refuse.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

compile() {
	local build=$1 dir=$2 contract=$3
	copy_module "$dir"
	# Without its own check.
	[[ -z $contract ]] || sed -i "s/^const CONTRACT: u32 = .*/const CONTRACT: u32 = $contract;/; /^const _: () = assert!(/,/^);/d" "$dir/rust/entry.rs"
	run "$TOP/scripts/setup/inroot.sh" make -C "$build" "${VM_MAKE_ARGS[@]}" -j"$JOBS" M="$dir" modules
}
dispatch_step "$@"

kind=${1:-vm} contract=${2:-}
lock_cache
run "$TOP/scripts/build/kernel.sh" "$kind"
pin_source_key
dir=$(vm_module_path "$kind" "$contract")
stamp=$dir/.bpf-patcher.stamp
want="$(kernel_stamp "$kind") $(module_stamp)"
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0
rm -f "$stamp"
stage "bpf_patcher.ko for $kind${contract:+, contract $contract}" "$kind-module" compile "$(kernel_path "$kind")" "$dir" "$contract"
echo "$want" >"$stamp"
