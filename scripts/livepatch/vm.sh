#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots Debian's unmodified kernel in QEMU, with the livepatch and the module in an initramfs, and loads programs before,
# while and after they are in. LADDER, STOCK_MAX, COUNT and TRANSITIONS are the init's.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"

in_vm_root() { INROOT=$(vm_root_path) run "$TOP/scripts/setup/inroot.sh" "$@"; }

# The programs that the init calls, and what these link with.
pack() {
	local modules=$1 debian=${1/modules-/debian-} dir=$2 root=$2/root program
	mkdir -p "$root"/{usr/bin,usr/lib,usr/lib64,proc,sys,dev,tmp,modules}
	ln -s usr/bin usr/lib usr/lib64 "$root/"
	ln -s bin "$root/usr/sbin"
	for program in bash insmod rmmod mount cat sleep grep sed awk dmesg uname tail head touch sort uniq test rm ln; do
		program=$(in_vm_root bash -c "PATH=/usr/sbin:/usr/bin; readlink -f \$(type -P $program)")
		echo "$program"
		in_vm_root ldd "$program" | grep -oE '/[^ ]+' || true
	done | sort -u | while read -r program; do
		in_vm_root cp -L --parents "$program" "$root"
	done
	for program in insmod rmmod; do ln -sf kmod "$root/usr/bin/$program"; done
	ln -sf mawk "$root/usr/bin/awk"
	pack_programs "$root"
	run "$TOP/scripts/setup/inroot.sh" make -C "$TOP/selftests/progs" names=pyperf180 own= KSRC="$debian/source" OUT="$dir/measured"
	cp "$dir"/measured/*.o "$root/measured/"
	cp "$modules"/*.ko "$root/modules/"
	plant "$root/modules" "$(in_root python3 "$TOP/scripts/livepatch/compare.py" --build-id "$debian/vmlinux")"
	cp "$TOP/selftests/livepatch/init.sh" "$root/init"
	(cd "$root" && find . | in_root cpio --quiet -o -H newc --owner=+0:+0 | gzip -1 >"$dir/initramfs")
}

# plant MODULES ID: livepatches that the kernel has to refuse, of another build and of another release.
plant() {
	in_root python3 - "$@" <<-'EOF'
		import sys
		modules, build = sys.argv[1], bytes.fromhex(sys.argv[2])
		with open(f"{modules}/bpf-patcher-livepatch.ko", "rb") as file:
		    livepatch = file.read()
		# The compiler may have it in parts.
		other = livepatch.replace(build[:8], bytes(8))
		release = livepatch.replace(b"vermagic=7.", b"vermagic=6.")
		assert livepatch not in (other, release)
		for name, content in ("other-build", other), ("other-release", release):
		    with open(f"{modules}/{name}.ko", "wb") as file:
		        file.write(content)
	EOF
}
dispatch_step "$@"

run "$TOP/scripts/setup/vm-root.sh"
lock_cache
modules=$(run "$TOP/scripts/livepatch/build.sh")
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
pin_source_key
debian=${modules/modules-/debian-}
dir=$(partial_dir livepatch-vm)
chmod 755 "$dir"
stage "initramfs" livepatch-initramfs pack "$modules" "$dir"
mkdir -p "$TOP/results"
boot "$debian" "$dir/initramfs" "$TOP/results/livepatch-vm.log" ${TRANSITIONS:+"TRANSITIONS=$TRANSITIONS"} \
	${LADDER:+"LADDER=$LADDER"} ${STOCK_MAX:+"STOCK_MAX=$STOCK_MAX"} ${COUNT:+"COUNT=$COUNT"}
report "$modules"
remove_tree "$dir"
