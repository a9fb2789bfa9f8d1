#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is wrong in an unpatched kernel (Documentation/stock-defects.md) shows there, and is right on
# the patched one in modes stock, patcher and verify: the first patches of the series fix it.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um um-stock
# A defect may make the unpatched kernel warn.
UML_APPEND="quiet kunit.enable=0" loader_check um-stock defects-unpatched defects --expect shows
loader_check um defects-patched defects --expect right
echo "unpatched: $(said defects-unpatched); patched: $(said defects-patched)"
