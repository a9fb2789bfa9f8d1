#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In mode verify the kernel finds no difference: for the programs of the identity check, and for
# 20 000 random ones. With verify_warn a difference is a warning of the kernel, as any fuzzer or test
# suite would see it; any other warning is a failure too.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

COUNT=20000
boot_prepare um

# verify NAME ARGUMENT...: has the loader load programs in mode verify.
verify() {
	local name=$1
	shift
	# The level of warnings.
	UML_APPEND="loglevel=5 kunit.enable=0 bpf_patcher.verify_warn=1" loader_check um "$name" identical "$@"
	! grep -m1 'WARNING: ' "$(log_path "$name")" || die "the kernel warned; log: $(log_path "$name")"
}

verify verify-identity --modes stock,verify
# The same programs every time: a failure must not come and go.
verify verify-random --only random --modes verify --count "$COUNT" --seed "${SEED:-1}" --every 5000
echo "$(said verify-identity); $(said verify-random)"
