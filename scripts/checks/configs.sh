#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The series and its bindings compile without a warning in kernels with Rust that lack the network, or
# bpf(2).

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

run "$TOP/scripts/build/kernel.sh" um-no-net
run "$TOP/scripts/build/kernel.sh" um-no-syscall
echo "without CONFIG_NET, without CONFIG_BPF_SYSCALL"
