#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs of long jumps return the result of the loader's own interpreter, which runs the programs as they were
# written. A planted fault in the interpreter, and one in a program, are noticed. This is User-mode Linux, without a
# JIT; `make far-jumps` has more programs, and compiles them too.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# What has to come of a program with a jump that is too far.
FAR=loaded
boot_prepare um

# returns NAME ARGUMENT...: programs of the first seed, the same every time: a failure must not come and go.
returns() {
	local name=$1 status=0
	shift
	boot_loader um "$name" far-jumps --seed "${SEED:-1}" --far "$FAR" "$@" || status=$?
	grep '"summary"' "$(log_path "$name")" || true
	((status == 0)) || die "a program is not as it should be (status $status); log: $(log_path "$name")"
}
returns far-jumps --count "${COUNT:-200}"
# Stock takes time for each edit.
returns far-jumps-modes --count 4 --modes stock,patcher,verify
for plant in interpreter program; do
	boot_loader um "far-jumps-$plant" far-jumps --seed 1 --count 10 --plant "$plant" || true
	(($(json_number "far-jumps-$plant" differences) > 0)) ||
		die "a planted mistake was not noticed; log: $(log_path "far-jumps-$plant")"
done
echo "$(json_number far-jumps programs) programs of long jumps, $(json_number far-jumps runs) runs as written," \
	"$(json_number far-jumps refused) programs refused"
