#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In mode verify the kernel finds no difference: for the programs of the identity check, and for 20 000 random ones.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

COUNT=20000
run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/initramfs.sh"
mkdir -p "$TOP/results"
linux=$("$TOP/scripts/setup/where.sh" uml)
sessions=0

# verify NAME ARGS...: has the loader load programs in mode verify, and adds to the number of sessions.
verify() {
	local log=$TOP/results/$1.log status=0
	note "boot the patched kernel: ${*:2} (log: $log)"
	UML_APPEND="loglevel=4 kunit.enable=0" run "$TOP/scripts/run/uml.sh" "$linux" "$(initramfs_path)" "${@:2}" >"$log" || status=$?
	grep -E 'bpf_patcher: verify|"identical":false|"difference":"|^# seed|"summary"' "$log" || true
	((status == 0)) || die "sessions differ from stock, or none was compared (status $status); log: $log"
	sessions=$((sessions + $(sed -nE 's/^@json .*"verify_sessions":([0-9]+).*$/\1/p' "$log" | tail -n 1)))
}

verify verify-identity identity --verify
# The same programs every time: a failure is not to come and go.
verify verify-random random --verify --count "$COUNT" --seed "${SEED:-1}" --every 5000
echo "$sessions sessions as with stock, $COUNT random programs among what was loaded"
