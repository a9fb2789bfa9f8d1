#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the livepatch's root: the compilers that built Debian's kernels. The tool root has newer ones.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

make_root() {
	local uri sources=()
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	[[ -z $uri ]] || sources=("deb $uri $DEBIAN_SUITE main")
	# Proxies may hold a password, so their settings do not stay in the root.
	make_debian "$1" "$TOP/configs/livepatch.packages" \
		--customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" "${sources[@]}"
}
dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh"
lock_cache
root=$(livepatch_root_path)
[[ ! -d $root ]] || exit 0
need_disk 2500 "the livepatch's root"
place_root "$root" "the livepatch's root" livepatch-root make_root
