#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkroot.sh ROOT: creates the tool root. This file, mkroot-hook.sh, lib/debian.sh and
# configs/toolroot.packages are the root's key: a change to one of them creates a new root.
#
# The hook downloads the kernel's source package and unpacks it without its dependencies. A Debian
# suite that has moved on to another version does not fail the root: KSRC still works.

# shellcheck source=scripts/lib/debian.sh
source "$(dirname "$0")/../lib/debian.sh"

uri=$(run "$TOP/scripts/setup/mirror.sh")
if [[ -n $uri ]]; then
	sources=("deb $uri $DEBIAN_SUITE main" "deb $uri $DEBIAN_SUITE-backports main")
else
	# mmdebstrap knows the distribution's default; backports stand beside it.
	# shellcheck disable=SC2016 # expanded by the hook
	sources=("--setup-hook=sed -n 's/ $DEBIAN_SUITE main/ $DEBIAN_SUITE-backports main/p' \"\$1\"/etc/apt/sources.list >\"\$1\"/etc/apt/sources.list.d/backports.list")
fi
make_debian "$1" "$TOP/configs/toolroot.packages" \
	--customize-hook="HOOK_SOURCE_PACKAGE='$SOURCE_PACKAGE' '$TOP/scripts/setup/mkroot-hook.sh' \"\$1\"" "${sources[@]}"
