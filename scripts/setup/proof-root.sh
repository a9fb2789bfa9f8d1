#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the proof root: a Debian bookworm with Dafny and z3, which the tool root's release does not have.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

# shellcheck disable=SC2034 # make_debian() reads it
DEBIAN_SUITE=$PROOF_SUITE

make_root() {
	local uri sources=()
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	[[ -z $uri ]] || sources=("deb $uri $PROOF_SUITE main")
	make_debian "$1" "$TOP/proof/root.packages" \
		--customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" "${sources[@]}"
}
dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh"
lock_cache

root=$(proof_root_path)
[[ ! -d $root ]] || exit 0
need_disk 700 "the proof root"
place_root "$root" "the proof root" proof-root make_root
