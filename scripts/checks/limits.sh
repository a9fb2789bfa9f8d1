#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What must not take long, being killed while a program is rewritten, and what is said when a jump no longer fits.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/initramfs.sh"
mkdir -p "$TOP/results"
log=$TOP/results/limits.log
UML_APPEND="quiet kunit.enable=0 panic_on_warn=1" \
	run "$TOP/scripts/run/uml.sh" "$("$TOP/scripts/setup/where.sh" uml)" "$(initramfs_path)" limits >"$log" || {
	grep '^# ' "$log" || true
	die "something took too long or was left behind; log: $log"
}
grep '^# ' "$log"
awk '/^# killed in mode/ { killed += $6; if ($11 > most) most = $11 }
	END { print killed " loads killed in the middle, gone within " most " ms; refusals alike; nops in linear time" }' "$log"
