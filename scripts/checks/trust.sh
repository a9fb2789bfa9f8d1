#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The parts of `make trust` that are short, in the kernel that the other checks have: each of the last allocations
# of the loads of some programs fails, in all modes; programs at the edge; programs of ordinary users; for how long a
# session holds the CPU. Leaks are for `make trust`, as this kernel has no kmemleak.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# part NAME ARGUMENT...: has the loader run it.
part() {
	boot_loader um "trust-short-$1" trust "$@" || {
		grep '^# ' "$(log_path "trust-short-$1")" | tail -n 30
		die "trust $*: a promise is broken; log: $(log_path "trust-short-$1")"
	}
}

boot_prepare um
part faults --count 12 --most 40 --no-leaks
(($(json_number trust-short-faults of_users) > 0)) || die "no program of an ordinary user was among them"
part edges
part unprivileged --count 300
part resched --short
echo "$(json_number trust-short-faults failures) allocations failed, $(json_number trust-short-edges fit) programs just fit," \
	"$(json_number trust-short-unprivileged guards) guards in place, the CPU held for" \
	"$(json_number trust-short-resched session_us) us at most"
