#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the root file system of the virtual machine: a Debian of the tool root's release, so that
# programs built there run. Machines never write to it. QEMU itself is the host's.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

make_root() {
	local uri sources=()
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	[[ -z $uri ]] || sources=("deb $uri $DEBIAN_SUITE main")
	# Proxies may hold a password, so their settings do not stay in the root.
	make_debian "$1" "$TOP/selftests/vm/root.packages" \
		--customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" "${sources[@]}"
}
dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh" vm
lock_cache

root=$(vm_root_path)
[[ ! -d $root ]] || exit 0
need_disk 1000 "the virtual machine's root"
place_root "$root" "the virtual machine's root" vm-root make_root
