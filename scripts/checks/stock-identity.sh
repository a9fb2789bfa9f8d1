#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The patched kernel in stock mode and an unpatched kernel of the same configuration, but without Rust, give the same programs.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/kernel.sh" um-stock
run "$TOP/scripts/build/initramfs.sh"
mkdir -p "$TOP/results"
for kernel in um um-stock; do
	log=$TOP/results/dump-$kernel.log
	run "$TOP/scripts/run/uml.sh" "$(kernel_path "$kernel")/linux" "$(initramfs_path)" dump >"$log" ||
		die "$kernel: the loader's dump failed; log: $log"
done
cd "$TOP"
run scripts/setup/inroot.sh python3 scripts/report/loader_report.py compare results/dump-um.log results/dump-um-stock.log
