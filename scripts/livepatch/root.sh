#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the livepatch's root: the compilers that built Debian's kernels. The tool root has newer ones.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib/roots.sh
source "$TOP/scripts/lib/roots.sh"

create_root "$(livepatch_root_path)" "the livepatch's root" livepatch-root 2500 "$DEBIAN_SUITE" "$TOP/configs/livepatch.packages"
