#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host-packages.sh [vm|arm64]: checks the host, and installs what is missing on it; with vm or arm64, also
# what that virtual machine needs. Everything else comes with the tool root.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

install_packages() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_missing() {
	install_packages "$@" || { as_root apt-get update && install_packages "$@"; }
}
dispatch_step "$@"

os_release=${OS_RELEASE:-/etc/os-release}
[[ -r $os_release ]] || die "this host has no $os_release; Debian 12 or 13 on x86_64 is needed"
# shellcheck source=/dev/null
host=$(. "$os_release" && echo "${ID:-unknown} ${VERSION_ID:-without a version}")
case $host in
"debian 12" | "debian 13") ;;
*) die "this host is $host; Debian 12 or 13 on x86_64 is needed (a container or a virtual machine with one will do)" ;;
esac
[[ $(uname -m) == x86_64 ]] || die "this host is $(uname -m); Debian 12 or 13 on x86_64 is needed"

# Command and the package that has it.
declare -A wanted=([mmdebstrap]=mmdebstrap [bwrap]=bubblewrap)
[[ ${1:-} != vm ]] || wanted["qemu-system-x86_64"]=qemu-system-x86
[[ ${1:-} != arm64 ]] || wanted["qemu-system-aarch64"]=qemu-system-arm
missing=()
for command in "${!wanted[@]}"; do
	command -v "$command" >/dev/null || missing+=("${wanted[$command]}")
done
((${#missing[@]})) || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort)
run "$TOP/scripts/setup/network.sh"
lock_cache
stage "host packages: ${missing[*]}" host install_missing "${missing[@]}"
