#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# where.sh [NAME]: prints where the cached artefacts are, `name path` a line, with `-` for one that is
# not there. With NAME it prints that path alone. Builds nothing.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

[[ -z ${KSRC:-} || -e $KSRC ]] || die "KSRC=$KSRC does not exist; pass a kernel source tree or a tarball of one"
pin_source_key

# below DIR NAME: nothing as long as the directory has no name.
below() { [[ -z $1 ]] || echo "$1/$2"; }

artefacts() {
	local kind
	echo "toolroot $(toolroot_path)"
	echo "source $(patched_source_path)"
	echo "stock-source $(stock_source_path)"
	echo "uml-build $(kernel_path um)"
	echo "uml $(below "$(kernel_path um)" linux)"
	echo "uml-stock-build $(kernel_path um-stock)"
	echo "uml-stock $(below "$(kernel_path um-stock)" linux)"
	echo "loader $(loader_path)"
	echo "initramfs $(initramfs_path)"
	echo "vm-root $(vm_root_path)"
	for kind in $(kinds x86_64); do
		echo "$kind-build $(kernel_path "$kind")"
	done
	for kind in $(kinds x86_64); do
		echo "$kind-suites $(vm_selftests_path "$kind")/tools/testing/selftests/bpf"
	done
	echo "module $TOP/bpf_patcher.ko"
}

while read -r name path; do
	[[ -z ${1:-} || $name == "$1" ]] || continue
	[[ -n $path && -e $path ]] || path=-
	if (($#)); then echo "$path"; else echo "$name $path"; fi
done < <(artefacts)
