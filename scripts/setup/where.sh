#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# where.sh [NAME]: the cached artefacts, `name path` a line, `-` for what is not there; with a name, that path alone. Builds nothing.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

[[ -z ${KSRC:-} || -e $KSRC ]] || die "KSRC=$KSRC does not exist; pass a kernel source tree or a tarball of one"
pin_source_key
declare -A path
path[toolroot]=$(toolroot_path)
path[source]=$(patched_source_path)
path[stock-source]=$(stock_source_path)
path[uml-build]=$(kernel_path um)
path[uml]=${path[uml-build]:+${path[uml-build]}/linux}
path[uml-stock-build]=$(kernel_path um-stock)
path[uml-stock]=${path[uml-stock-build]:+${path[uml-stock-build]}/linux}
path[loader]=$(loader_path)
path[initramfs]=$(initramfs_path)
path[vm-root]=$(vm_root_path)
for kind in vm vm-lean vm-interp; do
	path[$kind-build]=$(kernel_path "$kind")
	path[$kind-suites]=$(vm_selftests_path "$kind")/tools/testing/selftests/bpf
done
path[module]=$TOP/bpf_patcher.ko

for name in ${1:-toolroot source stock-source uml-build uml uml-stock-build uml-stock loader initramfs vm-root vm-build vm-lean-build vm-interp-build \
	vm-suites vm-lean-suites vm-interp-suites module}; do
	found=${path[$name]:-}
	[[ -n $found && -e $found ]] || found=-
	if (($#)); then echo "$found"; else echo "$name $found"; fi
done
