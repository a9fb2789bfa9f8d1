#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the root file system of the virtual machine: a Debian of the tool root's release, so that what is built there runs.
# Machines read it and never write to it. QEMU itself is the host's.

# shellcheck source=scripts/paths.sh
source "$(dirname "$0")/paths.sh"

install_qemu() {
	local command=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-system-x86)
	as_root "${command[@]}" || { as_root apt-get update && as_root "${command[@]}"; }
}

# The machine's own way to the archive, as in mkroot.sh.
apt_options() {
	apt-config dump Acquire |
		sed -nE 's/^(Acquire::((https?|ftp)::(Proxy|Proxy-Auto-Detect|Timeout|CaInfo)(::[^ ]+)?|Check-Valid-Until|Check-Date|Retries)) (".*";)$/--aptopt=\1 \6/p'
}

make_root() {
	local root=$1 suite=trixie include uri options sources=()
	mapfile -t options < <(apt_options)
	uri=$(run "$TOP/scripts/mirror.sh")
	[[ -z $uri ]] || sources=("deb $uri $suite main")
	include=$(sed -E '/^(#|$)/d' "$TOP/selftests/vm/root.packages" | paste -sd,)
	# Proxies may hold a password: they do not stay in the root.
	as_root setpriv --pdeathsig KILL -- unshare --fork --pid --kill-child --mount-proc -- \
		mmdebstrap --mode=root --variant=apt --include="$include" \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"${options[@]}" --customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" \
		"$suite" "$root" "${sources[@]}"
}
dispatch_step "$@"

run "$TOP/scripts/host.sh"
lock_cache
command -v qemu-system-x86_64 >/dev/null || {
	run "$TOP/scripts/network.sh"
	stage "host packages: qemu-system-x86" vm-qemu install_qemu
}

root=$(vm_root_path)
[[ ! -d $root ]] || exit 0
need_disk 1000 "the virtual machine's root"
run "$TOP/scripts/network.sh"
dir=$(partial_dir vmroot)
# apt's download user must get in.
chmod 755 "$dir"
stage "the virtual machine's root" vm-root make_root "$dir/root"
mv "$dir/root" "$root" 2>/dev/null || as_root mv "$dir/root" "$root"
