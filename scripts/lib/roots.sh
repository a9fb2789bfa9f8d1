# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by what creates a root with the packages of a list and nothing else: those of the virtual machine, the prover
# and the livepatch. Not in debian.sh, which is part of the tool root's key.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

make_root() {
	local DEBIAN_SUITE=$1 packages=$2 root=$3 uri sources=()
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	[[ -z $uri ]] || sources=("deb $uri $DEBIAN_SUITE main")
	# Proxies may hold a password, so their settings do not stay in the root.
	make_debian "$root" "$packages" \
		--customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" "${sources[@]}"
}
dispatch_step "$@"

# create_root ROOT TITLE LOG MB SUITE PACKAGES [MACHINE]: MB is the space that it needs, PACKAGES the list; MACHINE is
# for host-packages.sh.
create_root() {
	run "$TOP/scripts/setup/host-packages.sh" "${@:7}"
	lock_cache
	[[ ! -d $1 ]] || return 0
	need_disk "$4" "$2"
	place_root "$1" "$2" "$3" make_root "$5" "$6"
}
