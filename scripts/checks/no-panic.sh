#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No code of the module panics but what selftests/panics.allow has a reason for: panics of Rust's core are
# looked for in bpf_patcher.ko as it is for vm-lean.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

KIND=vm-lean
run "$TOP/scripts/build/vm-module.sh" "$KIND"
run "$TOP/scripts/setup/inroot.sh" "$TOP/scripts/report/panics.py" \
	"$(vm_module_path "$KIND")/bpf_patcher.ko" "$TOP" "$TOP/selftests/panics.allow"
