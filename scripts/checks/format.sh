#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Rust sources and shell scripts are formatted.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

run "$TOP/scripts/build/fmt.sh" --check || die "not formatted; run 'make fmt'"
echo "$(find "$TOP/rust" "$TOP/selftests" -name '*.rs' | wc -l) Rust files, $(shell_scripts | wc -l) shell scripts"
