#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Both kernels build without a compiler warning; so do the loader, the programs and the initramfs.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../lib.sh"

run "$TOP/scripts/kernel.sh" um
run "$TOP/scripts/kernel.sh" um-stock
run "$TOP/scripts/initramfs.sh"
echo "patched and unpatched kernel, loader, programs"
