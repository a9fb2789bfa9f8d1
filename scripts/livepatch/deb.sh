#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds two packages into results/: bpf-patcher, which has the command, the unit and the settings, and the modules of
# one kernel, bpf-patcher-livepatch-ABI. apt refuses the second one where Debian's kernel is of another version.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"

# write FILE <TEXT
write() {
	mkdir -p "$(dirname "$1")"
	cat >"$1"
}

# build DIR NAME ARCHITECTURE TITLE DEPENDS <DESCRIPTION
build() {
	local dir=$1 name=$2
	write "$dir/DEBIAN/control" <<-EOF
		Package: $name
		Version: $version
		Architecture: $3
		Maintainer: $maintainer
		Section: kernel
		Priority: optional
		Depends: $5
		Description: $4
		$(sed 's/^/ /')
	EOF
	# Policy asks for a copyright and a changelog.
	write "$dir/usr/share/doc/$name/copyright" <<-EOF
		Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

		Files: *
		Copyright: $(date -u -d "@$epoch" +%Y), the authors of bpf-patcher
		License: GPL-2
		 On Debian the text is in /usr/share/common-licenses/GPL-2.
	EOF
	gzip -9n >"$dir/usr/share/doc/$name/changelog.gz" <<-EOF
		$name ($version) unstable; urgency=medium

		  * See CHANGELOG.md of the source.

		 -- $maintainer  $(date -u -R -d "@$epoch")
	EOF
	(cd "$dir" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	chmod -R u=rwX,go=rX "$dir"
	find "$dir/DEBIAN" -type f \( -name '*inst' -o -name '*rm' \) -exec chmod 755 {} +
	SOURCE_DATE_EPOCH=$epoch in_root dpkg-deb --root-owner-group -Zxz --build "$dir" "$TOP/results/${name}_${version}_$3.deb"
}

pack_common() {
	local dir=$1/common
	write "$dir/usr/sbin/bpf-patcher" <"$TOP/livepatch/package/bpf-patcher"
	chmod 755 "$dir/usr/sbin/bpf-patcher"
	write "$dir/usr/lib/systemd/system/bpf-patcher.service" <"$TOP/livepatch/package/bpf-patcher.service"
	write "$dir/etc/modprobe.d/bpf-patcher.conf" <"$TOP/livepatch/package/bpf-patcher.conf"
	write "$dir/usr/share/doc/bpf-patcher/livepatch.md" <"$TOP/Documentation/livepatch.md"
	write "$dir/DEBIAN/conffiles" <<<"/etc/modprobe.d/bpf-patcher.conf"
	write "$dir/DEBIAN/postinst" <<-'EOF'
		#!/bin/sh
		set -e
		if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
			systemctl daemon-reload
		fi
		if [ "$1" = configure ] && [ -z "$2" ] && command -v systemctl >/dev/null; then
			systemctl enable --quiet bpf-patcher.service
		fi
	EOF
	write "$dir/DEBIAN/prerm" <<-'EOF'
		#!/bin/sh
		set -e
		[ "$1" != remove ] || bpf-patcher stop
		if [ "$1" = remove ] && command -v systemctl >/dev/null; then
			systemctl disable --quiet bpf-patcher.service
		fi
	EOF
	write "$dir/DEBIAN/postrm" <<-'EOF'
		#!/bin/sh
		set -e
		if [ -d /run/systemd/system ]; then
			systemctl daemon-reload
		fi
	EOF
	build "$dir" bpf-patcher all "settings and service of the BPF patcher" "kmod" <<-'EOF'
		The BPF verifier rewrites programs one insn at a time, which takes time that
		grows with the square of their number. The patcher takes linear time.
		.
		This package has the command bpf-patcher, the service that loads the modules
		of the running kernel, and their settings.
	EOF
}

pack_modules() {
	local dir=$1/modules to=/usr/lib/modules/$abi/updates/bpf-patcher
	mkdir -p "$dir$to"
	cp "$modules"/*.ko "$dir$to/"
	write "$dir/usr/share/doc/bpf-patcher-livepatch-$abi/replaced-functions.txt" <"$modules/replaced.txt"
	# The running kernel may be another one. The service asks for it.
	write "$dir/DEBIAN/postinst" <<-EOF
		#!/bin/sh
		set -e
		if [ "\$1" = configure ]; then
			depmod $abi
			if [ "\$(uname -r)" != $abi ]; then
				echo "bpf-patcher: this kernel is \$(uname -r); the livepatch goes in when $abi is booted" >&2
			elif [ -d /run/systemd/system ]; then
				systemctl start bpf-patcher.service || echo "bpf-patcher: not loaded; see 'journalctl -u bpf-patcher'" >&2
			fi
		fi
	EOF
	write "$dir/DEBIAN/prerm" <<-EOF
		#!/bin/sh
		set -e
		if [ "\$(uname -r)" = $abi ]; then
			bpf-patcher stop
			[ ! -d /run/systemd/system ] || systemctl stop bpf-patcher.service
		fi
	EOF
	write "$dir/DEBIAN/postrm" <<-EOF
		#!/bin/sh
		set -e
		[ ! -d /usr/lib/modules/$abi/kernel ] || depmod $abi
	EOF
	build "$dir" "bpf-patcher-livepatch-$abi" amd64 "livepatch of the BPF verifier for Linux $abi" \
		"bpf-patcher (= $version), linux-binary-$abi (= $debian_version), kmod" <<-EOF
			A livepatch lets the BPF verifier of that kernel record its rewrites, and the
			module bpf_patcher applies them in linear time.
			.
			It is for version $debian_version of it alone.
		EOF
}
dispatch_step "$@"

lock_cache
modules=$(run "$TOP/scripts/livepatch/build.sh")
debian_version=${modules##*_}
abi=${modules##*/modules-}
abi=${abi%_*}
version=$(sed -nE 's/^PACKAGE_VERSION="(.*)"/\1/p' "$TOP/dkms.conf")
maintainer=$(git -C "$TOP" log -1 --format="${DEBFULLNAME:-%an} <${DEBEMAIL:-%ae}>")
epoch=$(git -C "$TOP" log -1 --format=%ct)
mkdir -p "$TOP/results"
dir=$(partial_dir deb)
chmod 755 "$dir"
pack_common "$dir" >&2
pack_modules "$dir" >&2
remove_tree "$dir"
in_root lintian --suppress-tags initial-upload-closes-no-bugs "$TOP"/results/bpf-patcher{,-livepatch-"$abi"}_"$version"_*.deb >&2 || note "lintian has something to say"
echo "$TOP"/results/bpf-patcher{,-livepatch-"$abi"}_"$version"_*.deb
