#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make module` refuses a kernel that the module cannot be built for, in one line that says what to
# do, and builds nothing. It needs no HOME. The module's versions agree.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/bpf-patcher.XXXXXX")
trap 'rm -rf "$dir"' EXIT
count=0
ours=$(contract_version)
other=$((ours + 1))
# header VERSION: a kernel with that version of the contract.
header() { printf '#define BPF_PATCHER_VERSION\t%d\n' "$1" >"$dir/include/linux/bpf_patcher.h"; }

# refused TEXT: module.sh fails and prints one line, which has TEXT.
refused() {
	local output
	! output=$(env -u HOME KDIR="$dir" setpriv --pdeathsig TERM -- "$TOP/scripts/build/module.sh" 2>&1) || die "module.sh took a kernel that it has to refuse ($1)"
	[[ $(wc -l <<<"$output") == 1 && $output == error:*$1* ]] || die "expected one line with '$1', got: $output"
	echo "$output"
	count=$((count + 1))
}

refused "is not a configured kernel build directory"
touch "$dir/Makefile" "$dir/.config" "$dir/Kbuild"
refused "lacks include/linux/bpf_patcher.h"
mkdir -p "$dir/include/linux"
header "$ours"
refused "without CONFIG_RUST"
echo CONFIG_RUST=y >"$dir/.config"
refused "without CONFIG_BPF_PATCHER_HOOKS"
echo CONFIG_BPF_PATCHER_HOOKS=y >>"$dir/.config"
refused "not built"
header "$other"
refused "version $other of the contract, this module is for $ours"

# The first version in CHANGELOG.md is that of the checkout.
changes=$(sed -nE '/^## /{s/^## ([0-9.]+).*/\1/p;q}' "$TOP/CHANGELOG.md")
dkms=$(sed -nE 's/^PACKAGE_VERSION="(.*)"$/\1/p' "$TOP/dkms.conf")
built=$(sed -nE 's/^MODULE_VERSION\("(.*)"\);$/\1/p' "$TOP/rust/params.c")
[[ -n $changes && $changes == "$dkms" && $changes == "$built" ]] ||
	die "versions differ: CHANGELOG.md has '$changes', dkms.conf '$dkms', rust/params.c '$built'"
grep -q "^This is version $ours of the contract" "$TOP/CHANGELOG.md" ||
	die "CHANGELOG.md does not say that $changes is for version $ours of the contract"
echo "$count kernels refused in one line each; version $changes, contract $ours"
