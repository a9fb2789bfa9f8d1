#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What stock gets wrong (Documentation/stock-defects.md) shows on the unpatched kernel and in mode stock, and not with the patcher.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/kernel.sh" um-stock
run "$TOP/scripts/build/initramfs.sh"
mkdir -p "$TOP/results"
for kernel in uml uml-stock; do
	log=$TOP/results/defects-$kernel.log
	run "$TOP/scripts/run/uml.sh" "$("$TOP/scripts/setup/where.sh" "$kernel")" "$(initramfs_path)" defects >"$log" ||
		die "a defect does not show, or the patcher has it too; log: $log"
	grep '^# ' "$log"
done
sed -nE 's/^@json .*"defects":([0-9]+).*$/\1 defects show in stock only/p' "$log" | tail -n 1
