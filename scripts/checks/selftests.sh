#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of `make selftests` that fits here; ci_runs in selftests.sh says what that is.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

# What an earlier run of another state of this checkout has found says nothing.
rm -rf "$TOP/results/selftests/ci"
# A machine that hangs must not take the time of all the others: the longest takes some minutes.
export VM_TIMEOUT=${VM_TIMEOUT:-1500}
run "$TOP/scripts/run/selftests.sh" ci
