#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts what Debian has of one kernel into the cache: source, configuration, headers, the binary and its symbols. Prints
# the directory. Debian removes a version from its archive when the next one comes: keep the directory.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

# apt with lists of its own: the host's suites may be others, and its settings stay as they are.
apt() {
	local tool=$1 state=$2 options
	shift 2
	mapfile -t options < <(apt_options | sed -E 's/^--aptopt=([^ ]+) "(.*)";$/-o\n\1=\2/')
	"$tool" -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State="$state/state" \
		-o Dir::Cache="$state/cache" -o Dir::State::status=/dev/null -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o APT::Sandbox::User=root "${options[@]}" "$@"
}

update() {
	local state=$1 uri
	mkdir -p "$state/state/lists/partial" "$state/cache/archives/partial"
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	echo "deb ${uri:-http://deb.debian.org/debian} $DEBIAN_SUITE-backports main" >"$state/sources.list"
	apt apt-get "$state" update
}

download() {
	local state=$1 dir=$2
	shift 2
	cd "$dir"
	apt apt-get "$state" download "$@"
}

# unpack DIR: everything but the modules' symbols, which are most of it. Each package goes as soon as it is unpacked.
unpack() {
	local dir=$1 deb exclude
	cd "$dir"
	for deb in *.deb; do
		exclude=()
		[[ $deb != *-dbg_* ]] || exclude=(--exclude='./usr/lib/debug/lib/modules/*/kernel' --exclude='./usr/lib/debug/lib/modules/*/vdso')
		echo "unpacking $deb"
		dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner -C "$dir" "${exclude[@]}" --exclude=./usr/share/doc
		rm "$deb"
	done
	# The kernel itself is found under one name.
	ln "$(find usr/lib/debug -name 'vmlinux*' -type f)" vmlinux
	mkdir source
	tar -x --strip-components=1 --no-same-owner -C source -f usr/src/linux-source-*.tar.xz
	rm usr/src/linux-source-*.tar.xz
}
dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh"
lock_cache
mkdir -p "$CACHE/livepatch"

# An ABI that is named needs no list if it is there.
if [[ -n ${ABI:-} ]]; then
	final=$(find "$CACHE/livepatch" -maxdepth 1 -name "debian-${ABI}_*" | tail -n 1)
	[[ -z $final ]] || {
		echo "$final"
		exit 0
	}
fi
state=$(partial_dir livepatch)
stage "lists of $DEBIAN_SUITE-backports" livepatch-lists update "$state"
abi=${ABI:-$(apt apt-cache "$state" depends --important "linux-image-$FLAVOUR" | sed -nE 's/^ +Depends: linux-image-([0-9].*)$/\1/p')}
version=$(apt apt-cache "$state" show "linux-image-$abi-dbg" 2>/dev/null | sed -nE 's/^Version: //p' | head -n 1) || true
[[ -n $abi && -n $version ]] ||
	die "$DEBIAN_SUITE-backports has no linux-image-${abi:-$FLAVOUR} with a -dbg package; it has gone if a newer version came"
series=$(cut -d. -f1,2 <<<"$abi")
[[ -d $TOP/patches/$series ]] || die "$DEBIAN_SUITE-backports has Linux $abi, and there is no series for $series"
final=$CACHE/livepatch/debian-${abi}_$version
if [[ ! -d $final ]]; then
	need_disk 6000 "Debian's kernel and its symbols"
	dir=$(partial_dir livepatch)
	stage "packages of $abi $version" livepatch-download download "$state" "$dir" \
		"linux-source-$series=$version" "linux-headers-$abi=$version" \
		"linux-base-$abi=$version" "linux-modules-$abi=$version" "linux-binary-$abi=$version" "linux-image-$abi-dbg=$version"
	stage "unpack them" livepatch-unpack unpack "$dir"
	mv "$dir" "$final"
fi
remove_tree "$state"
echo "$final"
