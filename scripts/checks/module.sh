#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make module` refuses a kernel that it cannot be built for, in one line that says what to do, and builds nothing.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/bpf-patcher.XXXXXX")
trap 'rm -rf "$dir"' EXIT
count=0

# refused PATTERN: one line, which matches, and a status that is not 0.
refused() {
	local output
	! output=$(KDIR=$dir run "$TOP/scripts/build/module.sh" 2>&1) || die "module.sh took a kernel that it has to refuse ($1)"
	[[ $(wc -l <<<"$output") == 1 && $output == error:*$1* ]] || die "expected one line with '$1', got: $output"
	echo "$output"
	count=$((count + 1))
}

refused "is not a configured kernel build directory"
touch "$dir/Makefile" "$dir/.config" "$dir/Kbuild"
refused "lacks include/linux/bpf_patcher.h"
mkdir -p "$dir/include/linux"
printf '#define BPF_PATCHER_VERSION\t1\n' >"$dir/include/linux/bpf_patcher.h"
refused "without CONFIG_RUST"
echo CONFIG_RUST=y >"$dir/.config"
refused "not built"
printf '#define BPF_PATCHER_VERSION\t2\n' >"$dir/include/linux/bpf_patcher.h"
refused "version 2 of the contract, this module is for version 1"
echo "$count kernels refused in one line each"
