#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of `make selftests` that fits here: test_verifier in modes patcher and verify, with and without blinding; veristat over all
# objects in mode verify; the tests of test_progs that exercise rewriting.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../lib.sh"

# What an earlier run of another state of this checkout has found says nothing.
rm -rf "$TOP/results/selftests/ci"
run "$TOP/scripts/selftests.sh" ci
