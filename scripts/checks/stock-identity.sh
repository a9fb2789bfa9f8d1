#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The patched kernel in mode stock and an unpatched kernel of the same configuration, but without
# Rust, give the same programs.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um um-stock
for kind in um um-stock; do loader_check "$kind" "dump-$kind" dump; done
cd "$TOP"
run scripts/setup/inroot.sh python3 scripts/report/loader_report.py compare results/dump-um.log results/dump-um-stock.log
