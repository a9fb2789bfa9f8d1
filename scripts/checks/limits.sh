#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads that must not take long, loads that are killed while a program is rewritten, and the kernel's message about a
# jump that no longer fits.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
boot_loader um limits limits || die "something took too long or was left behind; log: $(log_path limits)"
awk '/^# killed in mode/ { killed += $6; if ($11 > most) most = $11 }
	END { print killed " loads killed in the middle, gone within " most " ms; refusals alike; nops in linear time" }' \
	"$(log_path limits)"
