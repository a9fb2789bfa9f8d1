#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the root file system of the virtual machine: a Debian of the tool root's release, so that
# programs built there run. Machines never write to it. QEMU itself is the host's.

# shellcheck source=scripts/lib/roots.sh
source "$(dirname "$0")/../lib/roots.sh"

create_root "$(vm_root_path)" "the virtual machine's root" vm-root 1000 "$DEBIAN_SUITE" "$TOP/selftests/vm/root.packages" vm
