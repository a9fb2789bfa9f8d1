#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs the loader (/init) and the BPF programs (/progs/*.o) into an initramfs. Equal input gives an equal
# file.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

pack() {
	local dir=$1
	cd "$dir/root"
	find . -exec touch --no-dereference --date=@0 {} +
	find . | LC_ALL=C sort |
		run "$TOP/scripts/setup/inroot.sh" cpio --quiet -o -H newc --reproducible --owner=+0:+0 >"$dir/initramfs.cpio"
	gzip -n6 "$dir/initramfs.cpio"
}
dispatch_step "$@"

lock_cache
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
out=$(initramfs_path)
loader=$(loader_path)
progs=$(progs_path)
[[ ! -e $out || $out -ot $loader || $out -ot $progs ]] || exit 0
dir=$(partial_dir initramfs)
mkdir -p "$dir/root/progs"
cp "$loader" "$dir/root/init"
find "$progs" -maxdepth 1 -name '*.o' -exec cp -t "$dir/root/progs" {} +
chmod -R u=rwX,go=rX "$dir/root"
stage "initramfs" initramfs pack "$dir"
mv "$dir/initramfs.cpio.gz" "$out"
remove_tree "$dir"
