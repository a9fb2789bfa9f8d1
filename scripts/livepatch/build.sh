#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the livepatch and the module for Debian's own kernel, without building a kernel: the C files that the series
# changes are compiled as Debian has them and with the series, and objtool makes a livepatch of the difference.
# FLAVOUR picks the kernel, ABI one that is in the cache and no longer in the archive. Prints the directory.

# shellcheck source=scripts/livepatch/lib.sh
source "$(dirname "$0")/lib.sh"

kbuild() {
	local tree=$1
	shift
	in_root make -C "$tree" CC=x86_64-linux-gnu-gcc-14 HOSTCC=x86_64-linux-gnu-gcc-14 -j"$JOBS" "$@"
}

# configure TREE DEBIAN OPTION...: Debian's configuration, with options of scripts/config. Of what remains nothing may
# change: the compiler is part of it.
configure() {
	local tree=$1 debian=$2 compilers="CC|RUSTC" ours theirs
	shift 2
	cp "$debian"/usr/src/linux-headers-*/.config "$tree/.config"
	in_root "$tree/scripts/config" --file "$tree/.config" "$@"
	kbuild "$tree" olddefconfig
	# Without Rust its compiler is not in the configuration.
	grep -qx CONFIG_RUST=y "$tree/.config" || compilers=CC
	theirs=$(sed -nE "s/^CONFIG_($compilers)_VERSION_TEXT=//p" "$debian"/usr/src/linux-headers-*/.config)
	ours=$(sed -nE "s/^CONFIG_($compilers)_VERSION_TEXT=//p" "$tree/.config")
	[[ $ours == "$theirs" ]] || {
		echo "refused: Debian built this kernel with ${theirs//$'\n'/ and }, and the livepatch's root has ${ours//$'\n'/ and }"
		exit 1
	}
}

# compile TREE DIR FLAGS: the objects, into DIR.
compile() {
	local tree=$1 dir=$2 object
	kbuild "$tree" KCFLAGS="-g0 $3" "${objects[@]}"
	mkdir -p "$dir"
	for object in "${objects[@]}"; do cp "$tree/$object" "$dir/"; done
}

# The C files of kernels that the series changes, as objects.
changed_objects() {
	cat "${patches[@]}" | sed -nE 's#^diff --git a/((kernel|arch/x86)/[^ ]*)\.c .*#\1.o#p' | sort -u | grep -v -x kernel/bpf/patcher.o
}

# same_build DEBIAN DIR: the kernel that boots has the symbols that the functions are compared with.
same_build() {
	local debian=$1 image=$2/image booted symbols
	in_root bash "$debian/source/scripts/extract-vmlinux" "$debian"/usr/lib/modules/*/vmlinuz >"$image"
	booted=$(build_id "$image") symbols=$(build_id "$debian/vmlinux")
	rm "$image"
	[[ $booted == "$symbols" ]] || {
		echo "refused: the kernel has build id $booted, and its -dbg package $symbols"
		exit 1
	}
}
build_id() { in_root python3 "$TOP/scripts/livepatch/compare.py" --build-id "$1"; }

# prepare DEBIAN DIR: a tree that has Debian's kernel's headers and objtool.
prepare() {
	local debian=$1 tree=$2/tree suffix
	same_build "$debian" "$2"
	cp -al "$debian/source" "$tree"
	cd "$tree"
	export GIT_CEILING_DIRECTORIES=$2
	in_root git apply "$TOP/patches/$(kernel_version "$tree")"/livepatch/*.patch
	suffix=${debian##*/debian-}
	suffix=${suffix%%_*}
	echo "${suffix#"$(make -s kernelversion)"}" >"$tree/localversion"
	cp "$debian"/usr/src/linux-headers-*-amd64/Module.symvers "$tree/"
	configure "$tree" "$debian" --disable RUST
	kbuild "$tree" prepare
	[[ $(cat "$tree/include/config/kernel.release") == "$suffix" ]] || {
		echo "refused: the tree is $(cat "$tree/include/config/kernel.release") and not $suffix"
		exit 1
	}
}

# compile_stock DEBIAN DIR: the objects as Debian has them, which have to be those of its kernel.
compile_stock() {
	local debian=$1 dir=$2
	mapfile -t objects < <(changed_objects)
	compile "$dir/tree" "$dir/plain" ""
	in_root python3 "$TOP/scripts/livepatch/compare.py" "$debian/vmlinux" "$dir"/plain/*.o
	compile "$dir/tree" "$dir/orig" "-ffunction-sections -fdata-sections"
}

compile_patched() {
	local debian=$1 dir=$2 tree=$2/tree patch file id
	mapfile -t objects < <(changed_objects)
	cd "$tree"
	export GIT_CEILING_DIRECTORIES=$dir
	for patch in "${patches[@]}"; do
		in_root git apply --whitespace=nowarn "$patch" || {
			echo "refused: ${patch#"$TOP"/} does not apply to ${debian##*/}"
			exit 1
		}
	done
	while read -r file; do
		[[ ! -f $debian/source/$file ]] ||
			in_root python3 "$TOP/scripts/livepatch/lines.py" "$debian/source/$file" "$tree/$file"
	done < <(cat "${patches[@]}" | sed -nE 's#^diff --git a/((kernel|arch/x86|include)/[^ ]*\.[ch]) .*#\1#p' | sort -u)
	id=$(build_id "$debian/vmlinux")
	mkdir "$dir/kmod"
	cp "$TOP"/livepatch/{Kbuild,*.[ch]} "$dir/kmod/"
	# A new file would have no counterpart in Debian's kernel.
	printf '#include "%s"\n' "$dir/kmod/hooks.c" >>"$tree/kernel/bpf/fixups.c"
	configure "$tree" "$debian" --enable BPF_PATCHER_HOOKS --enable BPF_PATCHER_DEBUG
	kbuild "$tree" prepare modules_prepare
	compile "$tree" "$dir/patched" "-ffunction-sections -fdata-sections -I$tree/kernel/bpf -DBPF_PATCHER_BUILD_ID=$(sed -E 's/../0x&,/g' <<<"$id")"
}

# The names of BTF ids have numbers, which count on with each use of some macros above them. They are nothing but names:
# the patched objects get those that Debian's have.
rename_ids() {
	local dir=$1 object map=$1/map
	for object in "$dir"/patched/*.o; do
		paste -d' ' <(ids "$object") <(ids "$dir/orig/${object##*/}") >"$map"
		awk '{ a = $1; b = $2; sub(/__[0-9]+$/, "", a); sub(/__[0-9]+$/, "", b); if (a != b) exit 1 }' "$map" || {
			echo "refused: the series changes the BTF ids of ${object##*/}, which no livepatch can"
			exit 1
		}
		in_root objcopy --redefine-syms="$map" "$object"
	done
}
ids() { in_root nm "$1" | awk '$3 ~ /^__BTF_ID__/ { print $1, $3 }' | sort | cut -d' ' -f2; }

# link_set DIR SET: one object, as objtool knows the whole kernel's.
link_set() {
	local dir=$1/$2
	# What the hooks look at has to be known before, too.
	printf '.section .modinfo,"a"\n.asciz "livepatch=Y"\n.section .data.names,"aw"\n.quad vmlinux_build_id\n' |
		in_root as -o "$dir/zz-modinfo.o" -
	in_root ld -r -z noexecstack -o "$dir/vmlinux.o" "$dir"/*.o
	in_root "$1/tree/tools/objtool/objtool" klp checksum "$dir/vmlinux.o"
}

# replaced DIR: what the livepatch replaces, `FILE FUNCTION` a line.
replaced() {
	local dir=$1 object
	sed -n 's/.*changed function: //p' "$dir/diff.log" | sort >"$dir/changed"
	while read -r object; do
		in_root nm "$dir/orig/${object##*/}" | sed -nE 's/.* [tT] //p' | sort | comm -12 - "$dir/changed" | sed "s#^#${object%.o}.c #"
	done < <(changed_objects)
}

make_livepatch() {
	local debian=$1 dir=$2 name=bpf-patcher-livepatch kmod=$2/kmod
	rename_ids "$dir"
	link_set "$dir" orig
	link_set "$dir" patched
	in_root objcopy --keep-file-symbols --strip-debug "$debian/vmlinux" "$dir/orig/vmlinux"
	cp "$dir/tree/Module.symvers" "$dir/orig/"
	(cd "$dir/orig" && in_root "$dir/tree/tools/objtool/objtool" klp diff vmlinux.o ../patched/vmlinux.o "$kmod/diff.o") 2>&1 | tee "$dir/diff.log"
	[[ ${PIPESTATUS[0]} == 0 ]]
	replaced "$dir" >"$dir/replaced.txt"
	cp "$dir/tree/scripts/livepatch/init.c" "$kmod/"
	cp "$kmod/diff.o" "$kmod/diff.o_shipped"
	touch "$kmod/.diff.o.cmd"
	kbuild "$dir/tree" M="$kmod" KCFLAGS="-ffunction-sections -fdata-sections -DKLP_NO_REPLACE" modules
	in_root objcopy --remove-section=.BTF "$kmod/$name.ko"
	in_root "$dir/tree/tools/objtool/objtool" klp post-link "$kmod/$name.ko"
}

make_module() {
	local dir=$2 file
	mkdir "$dir/module"
	for file in "${MODULE_SOURCES[@]}"; do cp -r "$TOP/$file" "$dir/module/"; done
	kbuild "$dir/tree" M="$dir/module" KBUILD_EXTRA_SYMBOLS="$dir/kmod/Module.symvers" modules
}

# Fixes, sessions and far jumps. Static branches change the system call's interface and the JIT, whose programs outlive a
# livepatch.
find_patches() {
	mapfile -t patches < <(find "$TOP/patches/$(kernel_version "$debian/source")"/[123]-* -name '*.patch' | sort)
}
[[ ${1:-} != --step ]] || { debian=$3 && find_patches; }
dispatch_step "$@"

lock_cache
run "$TOP/scripts/livepatch/root.sh"
debian=$(run "$TOP/scripts/livepatch/packages.sh")
find_patches
version=${debian##*/debian-}
out=$CACHE/livepatch/modules-$version
want=$( (hash_tree "${patches[@]}" "$TOP"/patches/*/livepatch "$TOP"/livepatch/*.[ch] "$TOP"/livepatch/Kbuild "$TOP"/scripts/livepatch/{build.sh,*.py} && module_stamp && livepatch_root_path) | short_hash)
if [[ $(cat "$out/.stamp" 2>/dev/null) != "$want" ]]; then
	need_disk 4000 "the livepatch"
	dir=$(partial_dir livepatch)
	chmod 755 "$dir"
	stage "headers and objtool of $version" livepatch-prepare prepare "$debian" "$dir"
	stage "Debian's functions, rebuilt and compared" livepatch-stock compile_stock "$debian" "$dir"
	stage "the series, and Rust's metadata" livepatch-patched compile_patched "$debian" "$dir"
	stage "bpf-patcher-livepatch.ko" livepatch-diff make_livepatch "$debian" "$dir"
	stage "bpf_patcher.ko" livepatch-module make_module "$debian" "$dir"
	remove_tree "$out"
	mkdir "$out"
	cp "$dir/kmod/bpf-patcher-livepatch.ko" "$dir/module/bpf_patcher.ko" "$dir/replaced.txt" "$out/"
	echo "$want" >"$out/.stamp"
	remove_tree "$dir"
fi
echo "$out"
