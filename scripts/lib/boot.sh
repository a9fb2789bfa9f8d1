# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that boot User-mode Linux with the loader as its init.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

# boot_prepare KIND...: builds these kernels and the initramfs.
boot_prepare() {
	local kind
	for kind in "$@"; do run "$TOP/scripts/build/kernel.sh" "$kind"; done
	run "$TOP/scripts/build/initramfs.sh"
	mkdir -p "$TOP/results"
}

# log_path NAME: where boot_loader leaves the output.
log_path() { echo "$TOP/results/$1.log"; }

# boot_loader KIND NAME COMMAND...: boots the kernel KIND (um or um-stock), in which the loader runs
# COMMAND. Its output goes to log_path NAME, its progress to the terminal. The status is the loader's.
# UML_APPEND are kernel parameters; without it, a warning of the kernel brings it down.
boot_loader() {
	local kind=$1 name=$2 log start=$SECONDS status=0
	shift 2
	log=$(log_path "$name")
	note "boot $kind: $* (log: $log)"
	UML_APPEND=${UML_APPEND:-quiet kunit.enable=0 panic_on_warn=1} \
		piped "$TOP/scripts/run/uml.sh" "$(kernel_path "$kind")/linux" "$(initramfs_path)" "$@" |
		tee "$log" | sed -un 's/^# /    /p' >&2 || status=${PIPESTATUS[0]}
	printf '    %s done in %s\n' "$name" "$(elapsed $((SECONDS - start)))" >&2
	# The loader ends with this line; a kernel that was powered off without it gave no result.
	grep -qE '^@exit [0-9]+$' "$log" || {
		tail -n 15 "$log" | sed 's/^/    | /' >&2
		die "$name: the kernel gave no result; log: $log"
	}
	return "$status"
}

# json_number NAME FIELD: a number of the last result in a log that has it.
json_number() { sed -nE "s/^@json .*\"$2\":([0-9]+).*\$/\\1/p" "$(log_path "$1")" | tail -n 1; }
