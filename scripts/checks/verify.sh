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
sessions=0

# verify NAME COMMAND...: has the loader load programs in mode verify, and adds to the number of sessions.
verify() {
	local name=$1 log status=0
	log=$(log_path "$name")
	# The level of warnings.
	UML_APPEND="loglevel=5 kunit.enable=0 bpf_patcher.verify_warn=1" boot_loader um "$@" || status=$?
	grep -E 'bpf_patcher: verify|"identical":false|"difference":"|"summary"' "$log" || true
	((status == 0)) || die "sessions differ from stock, or none was compared (status $status); log: $log"
	! grep -m1 'WARNING: ' "$log" || die "the kernel warned; log: $log"
	sessions=$((sessions + $(json_number "$name" verify_sessions)))
}
loads() { json_number verify-random verify_loads; }

verify verify-identity identity --verify
# The same programs every time: a failure must not come and go.
verify verify-random random --verify --count "$COUNT" --seed "${SEED:-1}" --every 5000
(($(loads) > 0)) || die "no load was judged as a whole; log: $(log_path verify-random)"
echo "$sessions sessions as with stock, $COUNT random programs, $(loads) loads judged as a whole"
