#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Both kernels build without a compiler warning; so do the loader, the programs and the initramfs.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/kernel.sh" um-stock
run "$TOP/scripts/build/initramfs.sh"
echo "patched and unpatched kernel, loader, programs"
