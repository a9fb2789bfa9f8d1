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

# said NAME: the verdict of the loader in a log, one sentence.
said() { sed -nE 's/^(not )?ok 1 [a-z]+: //p' "$(log_path "$1")" | tail -n 1; }

# loader_check KIND NAME COMMAND...: the same as boot_loader, for a check that has to pass.
loader_check() {
	boot_loader "$@" || {
		grep '^# ' "$(log_path "$2")" | tail -n 30
		die "$2: $(said "$2"); log: $(log_path "$2")"
	}
}

# loader_refuses WHAT KIND NAME COMMAND...: a check that has a fault of its own fails, and its results have WHAT, a
# regular expression.
loader_refuses() {
	local what=$1 status=0
	shift
	boot_loader "$@" || status=$?
	if ((status != 1)) || ! grep -qE "^@json .*$what" "$(log_path "$2")"; then
		die "$2: a planted mistake was not noticed: status $status, and not $what; log: $(log_path "$2")"
	fi
}
