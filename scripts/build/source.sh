#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# source.sh [stock|patched]: puts the kernel tree into the cache, from KSRC (a tree or a tarball; never
# modified) or from Debian's source package. The patched tree shares each unpatched file with the stock
# tree.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

inroot=$TOP/scripts/setup/inroot.sh

unpack() {
	local tarball=$1 tree=$2
	mkdir "$tree"
	run "$inroot" env XZ_DEFAULTS=-T0 tar -x --strip-components=1 --no-same-owner -C "$tree" -f "$tarball"
}

copy_tree() {
	local origin=$1 tree=$2 arch
	mkdir "$tree"
	run "$inroot" rsync -rlpt --exclude=/.git "$origin/" "$tree/"
	# Traces of a build inside the tree would keep kbuild from building outside it.
	for arch in um x86_64; do
		run "$inroot" make -C "$tree" "ARCH=$arch" mrproper
	done
}

# Applies the series to a copy that shares its files with the stock tree. git replaces files and does
# not write through links.
apply_series() {
	local stock=$1 tree=$2 patch leaked
	shift 2
	touch "$tree.start"
	cp -al "$stock" "$tree"
	cd "$tree"
	# If the cache is inside of a repository, git must not look there.
	GIT_CEILING_DIRECTORIES=$(dirname "$tree")
	export GIT_CEILING_DIRECTORIES
	for patch in "$@"; do
		echo "applying ${patch##*/}"
		run "$inroot" git apply --whitespace=nowarn "$patch" || {
			echo "refused: ${patch#"$TOP"/} does not apply to the source of $(source_origin)"
			exit 1
		}
	done
	leaked=$(find . -type f -newer "$tree.start" -links +1 -print -quit)
	[[ -z $leaked ]] || {
		echo "refused: applying the series wrote through a hard link ($leaked)"
		exit 1
	}
}

# Brings a patched tree to another state of the series. Only files that differ change and get a new time,
# so that make rebuilds what depends on them. A file that both trees share with the stock tree is equal.
update_tree() {
	local new=$1 tree=$2 file
	{
		(cd "$new" && find . -type f -links 1)
		(cd "$tree" && find . -path ./kernel/bpf/patcher -prune -o -type f -links 1 -print)
	} | sort -u | while read -r file; do
		if [[ -e $new/$file ]]; then echo "$file"; else rm -f "$tree/$file"; fi
	done >"$new.files"
	run "$inroot" rsync -rlp --no-times --checksum --files-from="$new.files" "$new/" "$tree/"
}
dispatch_step "$@"

check_version() {
	local version have
	version=$(kernel_version "$1" 2>/dev/null || true)
	[[ -n $version ]] || die "$2 is not a Linux source tree (no version in its Makefile)"
	[[ -d $TOP/patches/$version ]] && return 0
	have=$(find "$TOP/patches" -mindepth 1 -maxdepth 1 -type d -printf '%f ' | sort)
	die "$2 is Linux $version and there is no series for it (there is: ${have% }); pass KSRC=<tree or tarball> of one of these"
}

make_stock() {
	local origin dir
	origin=$(source_origin)
	[[ -n $origin ]] ||
		die "Debian's suites no longer have $SOURCE_PACKAGE; get that version from kernel.org and pass KSRC=<tree or tarball>"
	[[ -e $origin ]] || die "KSRC=$KSRC does not exist; pass a kernel source tree or a tarball of one"
	[[ ! -d $origin ]] || check_version "$origin" "$origin"
	stock=$(stock_source_path)
	if [[ ! -d $stock ]]; then
		need_disk 2500 "the kernel source"
		dir=$(partial_dir source)
		if [[ -d $origin ]]; then
			stage "copy of $origin" source copy_tree "$origin" "$dir/tree"
		else
			stage "unpack ${origin##*/}" source unpack "$origin" "$dir/tree"
		fi
		check_version "$dir/tree" "$origin"
		mkdir -p "$CACHE/src"
		mv "$dir/tree" "$stock"
	fi
	check_version "$stock" "$origin"
}

make_patched() {
	local tree want dir patches
	tree=$(patched_source_path)
	compgen -G "$TOP/patches/$(kernel_version "$stock")/[0-9]-${SERIES:-far-jumps}" >/dev/null || die "there is no series '$SERIES'"
	want=$(series_stamp)
	[[ $(cat "$tree.stamp" 2>/dev/null) != "$want" ]] || return 0
	need_disk 500 "the patched kernel source"
	dir=$(partial_dir patched)
	mapfile -t patches < <(series_patches "$stock")
	stage "apply series for $(kernel_version "$stock") up to ${SERIES:-far-jumps}" series apply_series "$stock" "$dir/tree" "${patches[@]}"
	rm -f "$tree.stamp"
	if [[ -d $tree ]]; then
		stage "update patched source" series-update update_tree "$dir/tree" "$tree"
	else
		mv "$dir/tree" "$tree"
	fi
	echo "$want" >"$dir/stamp"
	mv "$dir/stamp" "$tree.stamp"
	remove_tree "$dir"
}

lock_cache
run "$TOP/scripts/setup/toolroot.sh"
pin_source_key
make_stock
case ${1:-patched} in
stock) ;;
patched) make_patched ;;
*) die "usage: source.sh [stock|patched]" ;;
esac
