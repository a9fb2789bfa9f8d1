#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each place where the module can panic has a reason in selftests/panics.allow. Calls of Rust's panics are searched for
# in the bpf_patcher.ko of vm-lean.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

KIND=vm-lean
run "$TOP/scripts/build/vm-module.sh" "$KIND"
run "$TOP/scripts/setup/inroot.sh" "$TOP/scripts/report/panics.py" \
	"$(vm_module_path "$KIND")/bpf_patcher.ko" "$TOP" "$TOP/selftests/panics.allow"
