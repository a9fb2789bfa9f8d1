#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs of long jumps return what they have to: what an interpreter of the loader's own makes of the
# programs as they were written. In all modes, in User-mode Linux: for the JIT there is
# `scripts/run/far-jumps.sh vm`. A wrong interpreter and a wrong program are noticed.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# What has to come of a program with a jump that is too far: any, refused or loaded.
FAR=any
SECONDS_MOST=10
boot_prepare um
status=0
# The same programs every time: a failure must not come and go.
boot_loader um far-jumps far-jumps --seed "${SEED:-1}" --count "${COUNT:-1000}" --seconds "$SECONDS_MOST" --far "$FAR" ||
	status=$?
grep '"summary"' "$(log_path far-jumps)" || true
((status == 0)) || die "a program returns something else than it should (status $status); log: $(log_path far-jumps)"
for plant in interpreter program; do
	! boot_loader um "far-jumps-$plant" far-jumps --seed 1 --count 20 --plant "$plant" ||
		die "a planted mistake was not noticed; log: $(log_path "far-jumps-$plant")"
done
echo "$(json_number far-jumps programs) programs of long jumps, run $(json_number far-jumps runs) times as written," \
	"$(json_number far-jumps refused) loads refused"
