#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The short form of a part of `make trust`: each allocation of the loads of some programs fails once, in all
# modes. FAULTS=<n> programs.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um-fault
log=$(log_path trust-faults)
boot_loader um-fault trust-faults trust faults --count "${FAULTS:-12}" || {
	grep '^# ' "$log" | tail -n 30
	die "an allocation that failed has done harm; log: $log"
}
echo "$(json_number trust-faults failures) allocations failed once, $(json_number trust-faults inside) of them in the patcher, in" \
	"$(json_number trust-faults programs) programs: nothing left behind"
