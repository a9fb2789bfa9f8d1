#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Rust sources are formatted: the module's with the kernel's settings, the loader's with cargo's.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../lib.sh"

run "$TOP/scripts/fmt.sh" --check || die "not formatted; run 'make fmt'"
echo "$(find "$TOP/rust" "$TOP/selftests" -name '*.rs' | wc -l) files"
