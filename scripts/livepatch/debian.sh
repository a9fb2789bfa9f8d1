#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a Debian with systemd and its own unmodified kernel in QEMU. There the packages are installed, COUNT (1000) random
# programs load, the livepatch goes in and out TRANSITIONS (20) times while programs load, and the packages are purged.
# FULL=1: 200 transitions, and the kernel's test_verifier with and without the livepatch. SUITES is where that is built,
# ours if it is not set.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

make_root() {
	local abi=$1 root=$2 uri sources=()
	uri=$(run "$TOP/scripts/setup/mirror.sh")
	uri=${uri:-http://deb.debian.org/debian}
	sources=("deb $uri $DEBIAN_SUITE main" "deb $uri $DEBIAN_SUITE-backports main")
	{
		cat "$TOP/configs/livepatch-debian.packages"
		printf '%s\n' "linux-binary-$abi" "linux-modules-$abi"
	} >"$root.packages"
	make_debian "$root" "$root.packages" --customize-hook="rm -f \"\$1\"/etc/apt/apt.conf.d/99mmdebstrap" "${sources[@]}"
}

# pack ROOT DIR PACKAGE...: all of it is an initramfs, as the machine has no disk. It needs no drivers.
pack() {
	local root=$2/root unit=/etc/systemd/system/bpf-patcher-test.service
	as_root cp -a "$1" "$root"
	as_root mkdir "$root/packages" "$root/suites"
	as_root cp "${@:3}" "$root/packages/"
	pack_programs "$root"
	run "$TOP/scripts/setup/inroot.sh" clang-22 -O2 -g -target bpf -c "$TOP/selftests/livepatch/watch.bpf.c" -o "$2/watch.o"
	as_root cp "$2/watch.o" "$root/"
	if [[ -n ${SUITES:-} ]]; then
		as_root cp "$SUITES/tools/testing/selftests/bpf/test_verifier" "$root/suites/"
		xz -dc "$root"/usr/lib/modules/*/kernel/drivers/net/dummy.ko.xz >"$2/dummy.ko"
		as_root cp "$2/dummy.ko" "$root/suites/bpf_testmod.ko"
	fi
	as_root install -m 755 "$TOP/selftests/livepatch/debian.sh" "$root/usr/local/bin/bpf-patcher-test"
	as_root install -m 644 "$TOP/selftests/livepatch/bpf-patcher-test.service" "$root$unit"
	as_root ln -s "$unit" "$root/etc/systemd/system/multi-user.target.wants/"
	as_root ln -s usr/sbin/init "$root/init"
	(cd "$root" && find . \( -path ./usr/share/doc -o -path ./var/lib/apt/lists -o -path './usr/lib/modules/*/kernel/drivers' \) -prune -o -print |
		in_root cpio --quiet -o -H newc | gzip -1 >"$2/initramfs")
}
dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh" vm
lock_cache
packages=$(run "$TOP/scripts/livepatch/deb.sh")
modules=$(run "$TOP/scripts/livepatch/build.sh")
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
pin_source_key
version=${modules##*/modules-}
root=$CACHE/livepatch/userspace-$version-$(short_hash <"$TOP/configs/livepatch-debian.packages")
if [[ -n ${FULL:-} && -z ${SUITES:-} ]]; then
	run "$TOP/scripts/build/vm-selftests.sh" vm-lean
	SUITES=$(vm_selftests_path vm-lean)
fi
[[ -n ${FULL:-} ]] || SUITES=
export SUITES
if [[ ! -d $root ]]; then
	need_disk 1000 "a Debian with systemd"
	place_root "$root" "a Debian with systemd" livepatch-userspace make_root "${version%_*}"
fi
dir=$(partial_dir livepatch-debian)
chmod 755 "$dir"
# The names of packages have no blanks.
# shellcheck disable=SC2086
stage "initramfs" livepatch-debian pack "$root" "$dir" $packages
# Transitions are mostly waiting, which a slow CPU does in fewer instructions.
CLOCK=4 boot "${modules/modules-/debian-}" "$dir/initramfs" "$TOP/results/livepatch-debian.log" \
	systemd.mask=serial-getty@ttyS0.service ${COUNT:+"systemd.setenv=COUNT=$COUNT"} ${FULL:+systemd.setenv=FULL=1} "systemd.setenv=TRANSITIONS=${TRANSITIONS:-${FULL:+200}}"
report "$modules"
remove_tree "$dir"
