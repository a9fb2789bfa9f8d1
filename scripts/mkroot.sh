#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkroot.sh ROOT: what the tool root is made of, and how. This file, its hook and the list of packages are the root's key.
#
# The kernel source package is fetched by apt outside the root and only unpacked: its
# dependencies are not needed, and a suite that has moved past it must not fail the root (KSRC still works).

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

root=$1
suite=trixie

# The machine's own way to the archive: proxies, and clock checks it has switched off.
apt_options() {
	apt-config dump Acquire |
		sed -nE 's/^(Acquire::((https?|ftp)::(Proxy|Proxy-Auto-Detect|Timeout|CaInfo)(::[^ ]+)?|Check-Valid-Until|Check-Date|Retries)) (".*";)$/--aptopt=\1 \6/p'
}

mapfile -t options < <(apt_options)
uri=$(run "$TOP/scripts/mirror.sh")
if [[ -n $uri ]]; then
	sources=("deb $uri $suite main" "deb $uri $suite-backports main")
else
	# mmdebstrap knows the distribution's default; backports stand beside it.
	sources=()
	# shellcheck disable=SC2016 # expanded by the hook
	options+=("--setup-hook=sed -n 's/ $suite main/ $suite-backports main/p' \"\$1\"/etc/apt/sources.list >\"\$1\"/etc/apt/sources.list.d/backports.list")
fi
include=$(sed -E '/^(#|$)/d' "$TOP/configs/toolroot.packages" | paste -sd,)
# A killed run starts again from nothing, so that dpkg need not wait for the disk at every file.
# A process and a mount namespace of its own: killed means gone, and nothing stays mounted.
as_root setpriv --pdeathsig KILL -- unshare --fork --pid --kill-child --mount-proc -- env HOOK_SOURCE_PACKAGE="$SOURCE_PACKAGE" \
	mmdebstrap --mode=root --variant=apt --include="$include" \
	--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	"${options[@]}" --customize-hook="$TOP/scripts/mkroot-hook.sh" \
	"$suite" "$root" "${sources[@]}"
