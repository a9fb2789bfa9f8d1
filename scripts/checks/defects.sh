#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is wrong in an unpatched kernel (Documentation/stock-defects.md) shows there, and is right on
# the patched one in modes stock, patcher and verify: the first patches of the series fix it.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um um-stock
# A defect may make the unpatched kernel warn.
UML_APPEND="quiet kunit.enable=0" boot_loader um-stock defects-unpatched defects --expect shows ||
	die "a defect does not show on the unpatched kernel; log: $(log_path defects-unpatched)"
boot_loader um defects-patched defects --expect right ||
	die "a defect shows on the patched kernel; log: $(log_path defects-patched)"
echo "$(json_number defects-unpatched shows) show on the unpatched kernel," \
	"$(json_number defects-patched right) times right on the patched one"
