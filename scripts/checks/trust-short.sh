#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The parts of `make trust` that are short, in the kernel that the other checks have: each of the last allocations
# of the loads of some programs fails, in all modes; programs at the edge; programs of ordinary users. Leaks are for `make trust`,
# as this kernel has no kmemleak.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
loader_check um trust-short-faults faults --count 12 --most 40 --no-leaks
loader_check um trust-short-edges identical --only edges --modes stock,patcher,verify
loader_check um trust-short-guards guards --count 300
echo "$(said trust-short-faults); at the edge $(said trust-short-edges); $(said trust-short-guards)"
