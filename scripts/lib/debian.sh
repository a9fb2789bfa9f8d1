# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by what creates a Debian: the tool root and the virtual machine's root. What is built in the one runs in the other, so that
# both have one release.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DEBIAN_SUITE=trixie

# The machine's own way to the archive: proxies, and clock checks it has switched off.
apt_options() {
	apt-config dump Acquire |
		sed -nE 's/^(Acquire::((https?|ftp)::(Proxy|Proxy-Auto-Detect|Timeout|CaInfo)(::[^ ]+)?|Check-Valid-Until|Check-Date|Retries)) (".*";)$/--aptopt=\1 \6/p'
}

# make_debian ROOT PACKAGES ARGUMENT...: PACKAGES is a file with one a line, the arguments are mmdebstrap's: options, and sources.
make_debian() {
	local root=$1 options include
	mapfile -t options < <(apt_options)
	include=$(sed -E '/^(#|$)/d' "$2" | paste -sd,)
	shift 2
	# A killed run starts again from nothing, so that dpkg need not wait for the disk at every file.
	# A process and a mount namespace of its own: killed means gone, and nothing stays mounted.
	as_root setpriv --pdeathsig KILL -- unshare --fork --pid --kill-child --mount-proc -- \
		mmdebstrap --mode=root --variant=apt --include="$include" \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"${options[@]}" "$DEBIAN_SUITE" "$root" "$@"
}
