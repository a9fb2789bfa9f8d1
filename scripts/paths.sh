# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Names and keys of everything cached: one place, so that builders and `make where` agree.
# A function prints nothing when an input of its key is not there yet.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BINDGEN_VERSION=0.72.1
SOURCE_PACKAGE=linux-source-7.3
# One LLVM throughout: bindgen's libclang, the kernel, the BPF programs.
# shellcheck disable=SC2034 # used by the scripts that source this file
KERNEL_MAKE_ARGS=(ARCH=um LLVM=-22 KBUILD_BUILD_USER=bpf-patcher KBUILD_BUILD_HOST=bpf-patcher
	KBUILD_BUILD_VERSION=1 "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970")

toolroot_path() {
	echo "$CACHE/toolroot-$(cat "$TOP/configs/toolroot.packages" "$TOP"/scripts/mkroot{,-hook}.sh | short_hash)"
}

# The versions in the tool root: what is built with other tools is built anew.
toolroot_key() {
	local manifest
	manifest=$(toolroot_path)/etc/bpf-patcher.manifest
	[[ ! -f $manifest ]] || short_hash <"$manifest"
}

bindgen_path() {
	local key
	key=$(toolroot_key)
	[[ -z $key ]] || echo "$CACHE/bindgen-$BINDGEN_VERSION-$key"
}

# What KSRC names, or the package's tarball in the tool root.
source_origin() {
	local packaged
	if [[ -n ${KSRC:-} ]]; then
		realpath "$KSRC"
	else
		packaged=$(toolroot_path)/usr/src/$SOURCE_PACKAGE.tar.xz
		[[ ! -f $packaged ]] || echo "$packaged"
	fi
}

# A tarball counts by its content. A tree counts by its files' names, sizes and times: reading it all would take minutes.
source_key() {
	local origin
	origin=$(source_origin)
	if [[ -d $origin ]]; then
		(cd "$origin" && find . -name .git -prune -o -type f -printf '%P %s %T@\n' | LC_ALL=C sort | short_hash)
	elif [[ -f $origin.sha256 ]]; then
		cut -c1-12 "$origin.sha256"
	elif [[ -f $origin ]]; then
		short_hash <"$origin"
	fi
}

stock_source_path() {
	local key
	key=${SOURCE_KEY:-$(source_key)}
	[[ -z $key ]] || echo "$CACHE/src/stock-$key"
}

# The patched tree stays in one place for every state of the series, so that its build is incremental; a stamp says which state it has.
patched_source_path() {
	local stock
	stock=$(stock_source_path)
	[[ -z $stock ]] || echo "${stock/stock-/patched-}"
}

# kernel_version TREE: VERSION.PATCHLEVEL, the name of a directory of patches/.
kernel_version() {
	awk -F '[ =\t]+' '$1 == "VERSION" { v = $2 } $1 == "PATCHLEVEL" { print v "." $2; exit }' "$1/Makefile"
}

config_fragments() {
	echo "$TOP/configs/uml.config"
	[[ $1 == um-stock ]] || echo "$TOP/configs/patcher.config"
}

# kernel_path um|um-stock: the build directory.
kernel_path() {
	local source tools fragments
	source=$(stock_source_path)
	tools=$(toolroot_key)
	[[ -n $source && -n $tools ]] || return 0
	mapfile -t fragments < <(config_fragments "$1")
	echo "$CACHE/build/$1-$( (echo "$source $tools ${KERNEL_MAKE_ARGS[*]}" && cat "${fragments[@]}") | short_hash)"
}

# kernel_stamp um|um-stock: what the finished build was made of, beyond its directory's key.
kernel_stamp() {
	if [[ $1 == um-stock ]]; then
		echo stock
	else
		echo "$(series_stamp) $(module_stamp)"
	fi
}

# series_path TREE: the patches for a source tree.
series_path() { echo "$TOP/patches/$(kernel_version "$1")"; }
series_stamp() { hash_tree "$(series_path "$(stock_source_path)")"; }

# The module's sources, and what an out-of-tree build leaves among them.
MODULE_SOURCES=(Kbuild Kconfig rust)
MODULE_JUNK=('*.o' '*.ko' '*.mod' '*.mod.c' '*.rmeta' '*.rsi' '.*')
module_stamp() {
	local junk=() pattern
	for pattern in "${MODULE_JUNK[@]}"; do junk+=(! -name "$pattern"); done
	(cd "$TOP" && find "${MODULE_SOURCES[@]}" -type f "${junk[@]}" -print0 | sort -z | xargs -0 sha256sum | short_hash)
}

loader_target() { echo "$CACHE/loader-$(toolroot_key)"; }
loader_path() { echo "$(loader_target)/x86_64-unknown-linux-gnu/release/loader"; }
# Built from the unpatched tree: the programs are the same for both kernels.
progs_path() {
	local key
	key=${SOURCE_KEY:-$(source_key)}
	echo "$CACHE/progs-$key-$( (toolroot_key && hash_tree "$TOP/selftests/progs") | short_hash)"
}
initramfs_path() { echo "$CACHE/initramfs.cpio.gz"; }
