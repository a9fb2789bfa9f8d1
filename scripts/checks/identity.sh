#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On the patched kernel, both modes give the same programs: a short ladder, small programs written by
# hand, those of the kernel's selftests.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
status=0
boot_loader um identity identity || status=$?
grep -E '"identical":false|"summary"' "$(log_path identity)" || true
((status == 0)) || die "the modes differ, or nothing was rewritten (status $status); log: $(log_path identity)"
echo "$(json_number identity good) programs identical in both modes"
