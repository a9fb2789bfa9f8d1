#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkroot-hook.sh ROOT: the last step of mmdebstrap, while apt's lists are still there.

set -euo pipefail
root=$1

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if (cd "$dir" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -o APT::Sandbox::User=root download "$HOOK_SOURCE_PACKAGE"); then
	deb=("$dir"/*.deb)
	dpkg-deb --fsys-tarfile "${deb[0]}" | tar -x -C "$root" --wildcards './usr/src/*.tar.*'
	for tarball in "$root/usr/src/$HOOK_SOURCE_PACKAGE".tar.*; do
		sha256sum <"$tarball" >"$tarball.sha256"
	done
	dpkg-deb -W "${deb[0]}" >"$root/etc/bpf-patcher.source"
else
	echo "the suites have no $HOOK_SOURCE_PACKAGE"
fi

# The versions of all packages: part of the key of everything built in the root.
# shellcheck disable=SC2016 # the format is dpkg's
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$root/etc/bpf-patcher.manifest"
# Proxies may hold a password; inroot.sh passes on the host's own settings.
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap
