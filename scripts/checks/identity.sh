#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On the patched kernel, both modes give the same programs: a short ladder, small programs written by
# hand, those of the kernel's selftests.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
loader_check um identity identical
said identity
