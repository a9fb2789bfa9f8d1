#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm-module.sh KIND [CONTRACT]: builds bpf_patcher.ko for one of the virtual machine's kernels. It builds a
# copy of the module's sources, so that the checkout stays clean and each kernel has a module of its own.
# With CONTRACT, the module claims to be for that version of the contract; the kernel has to refuse it.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

compile() {
	local kind=$1 dir=$2 contract=$3 args
	mapfile -t args < <(kernel_make_args "$kind")
	copy_module "$dir"
	# Its own check would stop the build.
	[[ -z $contract ]] || sed -i "s/^pub(crate) const CONTRACT: u32 = .*/pub(crate) const CONTRACT: u32 = $contract;/; /^const _: () = assert!(/,/^);/d" "$dir/rust/entry.rs"
	run "$TOP/scripts/setup/inroot.sh" make -C "$(kernel_path "$kind")" "${args[@]}" -j"$JOBS" M="$dir" modules
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
stage "bpf_patcher.ko for $kind${contract:+, contract $contract}" "$kind-module" compile "$kind" "$dir" "$contract"
echo "$want" >"$stamp"
