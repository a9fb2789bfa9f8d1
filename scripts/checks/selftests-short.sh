#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A part of `make selftests`; ci_runs in run/selftests.sh lists it.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# Results of an earlier run may be those of another state of the checkout.
rm -rf "$TOP/results/selftests/ci"
# A machine that hangs must not take the time of all others; the slowest takes some minutes.
export VM_TIMEOUT=${VM_TIMEOUT:-1500}
run "$TOP/scripts/run/selftests.sh" ci
