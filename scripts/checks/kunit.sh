#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The engine's KUnit suites pass.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

run "$TOP/scripts/run/kunit.sh"
