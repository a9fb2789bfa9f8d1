# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Names, keys and stamps of everything cached (scripts/README.md explains these), so that builders and
# `make where` agree. A function prints nothing when an input of its key is not there yet.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The last of the series that kernels have, far-jumps if it is empty: fixes, sessions, far-jumps or static-branch. With
# SERIES set, they and what is built against them have directories of their own.
SERIES=${SERIES:-}

BINDGEN_VERSION=0.72.1
SOURCE_PACKAGE=linux-source-7.3
toolroot_path() {
	echo "$CACHE/toolroot-$(cat "$TOP/configs/toolroot.packages" "$TOP"/scripts/{setup/mkroot,setup/mkroot-hook,lib/debian}.sh | short_hash)"
}

# The root file system of the virtual machine.
vm_root_path() {
	echo "$CACHE/vmroot-$(cat "$TOP/selftests/vm/root.packages" "$TOP"/scripts/{setup/vm-root,lib/debian,lib/roots}.sh | short_hash)"
}

# Where the prover is.
PROOF_SUITE=bookworm
proof_root_path() {
	echo "$CACHE/proofroot-$( (echo $PROOF_SUITE && cat "$TOP/proof/root.packages" "$TOP"/scripts/{setup/proof-root,lib/debian,lib/roots}.sh) | short_hash)"
}

# The versions in the tool root: other versions mean a new build of everything.
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

# Of a tarball the content counts, of a tree the names, sizes and times of its files: reading all of a
# tree takes minutes.
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

# pin_source_key: finds the key once for this script and those that it calls, as finding it takes a while.
pin_source_key() {
	SOURCE_KEY=$(source_key)
	export SOURCE_KEY
}

stock_source_path() {
	local key
	key=${SOURCE_KEY:-$(source_key)}
	[[ -z $key ]] || echo "$CACHE/src/stock-$key"
}

# The patched tree stays in one place for every state of the series, so that builds are incremental. A
# stamp says which state it has.
patched_source_path() {
	local stock
	stock=$(stock_source_path)
	[[ -z $stock ]] || echo "${stock/stock-/${SERIES:-patched}-}"
}

# kernel_version TREE: VERSION.PATCHLEVEL, the name of a directory of patches/.
kernel_version() {
	awk -F '[ =\t]+' '$1 == "VERSION" { v = $2 } $1 == "PATCHLEVEL" { print v "." $2; exit }' "$1/Makefile"
}

# A kind of kernel is a directory of kernels/ whose `kind` has a title. `kind` sets the variables that kind_value() has
# defaults of, and begins with `from OTHER` for each directory that it builds on. `config` is its part of the
# configuration, after those of the others.
from() {
	# shellcheck source=/dev/null
	source "$TOP/kernels/$1/kind"
	[[ ! -f $TOP/kernels/$1/config ]] || configs+=("$TOP/kernels/$1/config")
}

# kind_value KIND VARIABLE: what a kind has as
#   title    in messages
#   arch     make's ARCH
#   tree     the source: patched, or stock
#   targets  what to build, one after the other
#   size     MiB that a new build takes
#   kconfig  NAME: NAME.Kconfig of its directory follows the kernel's own
#   append   kernel parameters
#   suites   the kind whose build of the kernel's test suites runs in it
#   configs  our parts of the configuration, one a line; the kernel has to take every line of them
# shellcheck disable=SC2034 # by name
kind_value() (
	title='' arch='' tree=patched targets=all size=1500 kconfig='' append='' suites=$1 configs=()
	from "$1"
	declare -n value=$2
	printf '%s\n' "${value[@]}"
)

# kinds [ARCH]: all of them, or those of an architecture, in one line.
kinds() {
	local dir kind arch all=()
	for dir in "$TOP"/kernels/*; do
		kind=${dir##*/}
		arch=$(kind_value "$kind" arch)
		[[ -z $(kind_value "$kind" title) || ${1:-$arch} != "$arch" ]] || all+=("$kind")
	done
	echo "${all[*]}"
}

# check_kind KIND [ARCH]: refuses what is none.
check_kind() {
	local all
	all=$(kinds "${@:2}")
	[[ " $all " == *" $1 "* ]] || die "there is no kernel '$1'; there are $all"
}

# has_module KIND: the module is built in. Of other kernels it is built outside, or not at all.
has_module() { kind_value "$1" configs | xargs grep -qxh CONFIG_BPF_PATCHER=y; }

# kernel_source KIND: the tree that it is built from.
kernel_source() { "$(kind_value "$1" tree)_source_path"; }

# kernel_make_args KIND: one a line. One LLVM throughout: bindgen's libclang, the kernel, the BPF programs.
kernel_make_args() {
	local kconfig
	kconfig=$(kind_value "$1" kconfig)
	printf '%s\n' "ARCH=$(kind_value "$1" arch)" LLVM=-22 KBUILD_BUILD_USER=bpf-patcher KBUILD_BUILD_HOST=bpf-patcher \
		KBUILD_BUILD_VERSION=1 "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970" ${kconfig:+"KBUILD_KCONFIG=Kconfig.$kconfig"}
}

# kernel_path KIND: the build directory.
kernel_path() {
	local source tools configs args
	source=$(stock_source_path)
	tools=$(toolroot_key)
	[[ -n $source && -n $tools ]] || return 0
	mapfile -t configs < <(kind_value "$1" configs)
	mapfile -t args < <(kernel_make_args "$1")
	echo "$CACHE/build/$1${SERIES:+-$SERIES}-$( (echo "$source $tools ${args[*]}" && cat "${configs[@]}") | short_hash)"
}

# kernel_stamp KIND: the inputs of the finished build that are not in its directory's key.
kernel_stamp() {
	if [[ $(kind_value "$1" tree) == stock ]]; then
		echo stock
	else
		echo "$(series_stamp)$(! has_module "$1" || echo " $(module_stamp)")"
	fi
}

# What is built against each of the virtual machine's kernels: our module (with a second argument, one
# for that version of the contract), the modules of the test suites, and the suites.
vm_module_path() { echo "$(kernel_path "$1").module${2:+-contract$2}"; }
vm_kmods_path() { echo "$(kernel_path "$1").kmods"; }
vm_selftests_path() { echo "$(kernel_path "$(kind_value "$1" suites)").selftests"; }

# all_series TREE: the directories of all series for a source tree, one a line, each on top of the one before.
all_series() { find "$TOP/patches/$(kernel_version "$1")" -mindepth 1 -maxdepth 1 -type d -name '[0-9]-*' | sort; }
# series_patches TREE: the patches that the patched tree has, one a line, in order. The cover letters beside
# them do not count.
series_patches() {
	local dir
	while read -r dir; do
		find "$dir" -name '*.patch' | sort
		[[ ${dir##*/[0-9]-} != "${SERIES:-far-jumps}" ]] || return 0
	done < <(all_series "$1")
}
series_stamp() {
	local patches
	mapfile -t patches < <(series_patches "$(stock_source_path)")
	hash_tree "${patches[@]}"
}

# The versions of the contract with the kernel that the module is written for, from their one home: with far jumps, and
# with sessions alone.
contract_versions() { sed -nE 's/^pub\(crate\) const CONTRACT: u32 = \[([0-9]+), ([0-9]+)\].*/\2 \1/p' "$TOP/rust/entry.rs"; }
contract_version() { contract_versions | cut -d' ' -f1; }

# The module's sources, and the files that an out-of-tree build leaves among them.
MODULE_SOURCES=(Kbuild Kconfig rust)
MODULE_JUNK=('*.o' '*.ko' '*.mod' '*.mod.c' '*.rmeta' '*.rsi' '.*')
# copy_module DIR: copies the files whose content differs. They get a new time, whatever the checkout's
# times are. For kernel um, DIR is in the tree that the virtual machine's kernels share; these do not set
# CONFIG_BPF_PATCHER.
copy_module() {
	mkdir -p "$1"
	(cd "$TOP" && run scripts/setup/inroot.sh rsync -rlp --no-times --checksum --delete \
		"${MODULE_JUNK[@]/#/--exclude=}" "${MODULE_SOURCES[@]}" "$1/")
}
module_stamp() {
	local junk=() pattern
	for pattern in "${MODULE_JUNK[@]}"; do junk+=(! -name "$pattern"); done
	(cd "$TOP" && find "${MODULE_SOURCES[@]}" -type f "${junk[@]}" -print0 | sort -z | xargs -0 sha256sum | short_hash)
}

loader_target() { echo "$CACHE/loader-$(toolroot_key)"; }
loader_path() { echo "$(loader_target)/x86_64-unknown-linux-gnu/release/loader"; }
# The same, linked dynamically, so that a library can be preloaded.
loader_dynamic_path() { echo "$(loader_target)/dynamic/release/loader"; }
# A program of the virtual machine's root preloads it.
both_modes_path() { echo "$CACHE/bench-$( (toolroot_key && hash_tree "$TOP/selftests/bench") | short_hash)/both_modes.so"; }
# Built from the unpatched tree, as the programs are the same for both kernels.
progs_path() {
	local key
	key=${SOURCE_KEY:-$(source_key)}
	echo "$CACHE/progs-$key-$( (toolroot_key && hash_tree "$TOP/selftests/progs") | short_hash)"
}
initramfs_path() { echo "$CACHE/initramfs.cpio.gz"; }
