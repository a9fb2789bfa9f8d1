# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by what creates a Debian: the tool root and the virtual machine's root. Both have one
# release, as what is built in the first runs in the second.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DEBIAN_SUITE=trixie

# The host's way to the archive: proxies, and clock checks that the host has switched off.
apt_options() {
	apt-config dump Acquire |
		sed -nE 's/^(Acquire::((https?|ftp)::(Proxy|Proxy-Auto-Detect|Timeout|CaInfo)(::[^ ]+)?|Check-Valid-Until|Check-Date|Retries)) (".*";)$/--aptopt=\1 \6/p'
}

# make_debian ROOT PACKAGES ARGUMENT...: PACKAGES is a file with a package a line; the arguments are
# options and sources for mmdebstrap.
make_debian() {
	local root=$1 options include
	mapfile -t options < <(apt_options)
	include=$(without_comments "$2" | paste -sd,)
	shift 2
	# dpkg need not sync: a killed run starts again from nothing.
	# In namespaces of their own, killed processes are gone, and nothing stays mounted.
	as_root setpriv --pdeathsig KILL -- unshare --fork --pid --kill-child --mount-proc -- \
		mmdebstrap --mode=root --variant=apt --include="$include" \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"${options[@]}" "$DEBIAN_SUITE" "$root" "$@"
}

# place_root ROOT TITLE LOG COMMAND...: has COMMAND create a root in a directory, its last argument,
# and makes that final as ROOT. LOG is the name of the stage's log.
place_root() {
	local root=$1 title=$2 log=$3 dir
	shift 3
	run "$TOP/scripts/setup/network.sh"
	dir=$(partial_dir "$log")
	# apt's download user must get in.
	chmod 755 "$dir"
	stage "$title" "$log" "$@" "$dir/root"
	mv "$dir/root" "$root" 2>/dev/null || as_root mv "$dir/root" "$root"
}
