#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On the patched kernel, both modes give the same programs: a short ladder, hand-made ones, the real ones.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/initramfs.sh"
mkdir -p "$TOP/results"
log=$TOP/results/identity.log
status=0
UML_APPEND="quiet kunit.enable=0 panic_on_warn=1" \
	run "$TOP/scripts/run/uml.sh" "$("$TOP/scripts/setup/where.sh" uml)" "$(initramfs_path)" identity >"$log" || status=$?
grep -E '^# |"identical":false|"summary"' "$log" || true
((status == 0)) || die "the modes differ, or nothing was rewritten (status $status); log: $log"
sed -nE 's/^@json .*"good":([0-9]+).*$/\1 programs identical in both modes/p' "$log" | tail -n 1
