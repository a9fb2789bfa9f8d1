#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clean.sh [all]: removes results and builds; with all, everything in the cache.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

rm -rf "$TOP/results"
[[ -d $CACHE ]] || exit 0
lock_cache
# By name, as the cache may be a directory that somebody else uses too.
names=(build proof host-'*' loader-'*' bench-'*' progs-'*' 'initramfs*')
[[ ${1:-} != all ]] || names+=(toolroot-'*' vmroot-'*' proofroot-'*' vm-accel bindgen-'*' cargo-'*' src home log lock)
for name in "${names[@]}"; do
	for path in "$CACHE"/$name; do
		remove_tree "$path"
	done
done
[[ ${1:-} != all ]] || rmdir "$CACHE" 2>/dev/null || true
