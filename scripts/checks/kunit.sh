#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The engine's KUnit suites pass.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../lib.sh"

run "$TOP/scripts/kunit.sh"
