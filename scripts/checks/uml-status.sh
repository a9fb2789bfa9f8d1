#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make uml` ends with, for an init that knows nothing of this project and for one that returns
# a status.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# pack DIR: an initramfs with the test's init alone.
pack() {
	cd "$1"
	run "$TOP/scripts/setup/inroot.sh" clang-22 -static -O1 -Wall -Werror -o init "$TOP/scripts/tests/uml_init.c"
	echo init | run "$TOP/scripts/setup/inroot.sh" cpio --quiet -o -H newc >init.cpio
}
dispatch_step "$@"

lock_cache
run "$TOP/scripts/build/kernel.sh" um
dir=$(partial_dir uml)
stage "the test's init" uml-init pack "$dir"
count=0

# ends STATUS TEXT ARGS...: the machine ends with STATUS and says TEXT.
ends() {
	local status=0 output
	output=$(UML_MEM=128M UML_TIMEOUT=120 run "$TOP/scripts/run/uml.sh" "$(kernel_path um)/linux" "$dir/init.cpio" "${@:3}" 2>&1) || status=$?
	[[ $status == "$1" && $output == *"$2"* ]] || die "init ${*:3}: status $status, not $1, or no '$2' in: $output"
	count=$((count + 1))
}

ends 0 "the machine was powered off" off
ends 0 "" off 0
ends 7 "" off 7
ends 1 "the kernel died" end
remove_tree "$dir"
echo "$count inits end with the status that they should"
