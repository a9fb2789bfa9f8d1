#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The short benchmark, in executed instructions, against the figures kept in selftests/bench/expected.json.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

export VM_TIMEOUT=${VM_TIMEOUT:-1500}
run "$TOP/scripts/run/bench.sh" short
run python3 "$TOP/scripts/report/bench.py" check "$TOP/selftests/bench/expected.json" "$TOP/results/bench-short/bench.json"
