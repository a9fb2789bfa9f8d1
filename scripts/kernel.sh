#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh um|um-stock: builds the patched or the unpatched User-mode Linux kernel in the cache.
# Changed module sources or a changed series rebuild only what depends on them; a killed build goes on where it was.

# shellcheck source=scripts/paths.sh
source "$(dirname "$0")/paths.sh"

kmake() { run "$TOP/scripts/inroot.sh" make -C "$source" O="$build" "${KERNEL_MAKE_ARGS[@]}" "$@"; }

# Only files whose content differs change, and get a new time whatever the checkout's times are.
sync_module() {
	local exclude=("${MODULE_JUNK[@]/#/--exclude=}")
	mkdir -p "$source/kernel/bpf/patcher"
	(cd "$TOP" && run scripts/inroot.sh rsync -rlp --no-times --checksum --delete "${exclude[@]}" \
		"${MODULE_SOURCES[@]}" "$source/kernel/bpf/patcher/")
}

configure() {
	local fragments line
	source=$1 build=$2
	shift 2
	fragments=("$@")
	mkdir -p "$build"
	[[ $build != */um-stock-* ]] && sync_module
	kmake defconfig
	(cd "$build" && run "$TOP/scripts/inroot.sh" "$source/scripts/kconfig/merge_config.sh" -m .config "${fragments[@]}")
	kmake olddefconfig
	# Kconfig drops what it cannot satisfy without a word.
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$build/.config" ;;
		"# CONFIG_"*" is not set") ! grep -q "^${line:2:-11}=" "$build/.config" ;;
		esac || {
			echo "refused: the configuration did not take '$line' (a missing dependency, or a KSRC without the option)"
			exit 1
		}
	done < <(cat "${fragments[@]}")
}

compile() {
	source=$1 build=$2
	touch "$build/.bpf-patcher.start"
	kmake -j"$JOBS"
}
dispatch_step "$@"

kind=${1:-um}
case $kind in
um) variant=patched name="patched kernel" ;;
um-stock) variant=stock name="unpatched kernel" ;;
*) die "usage: kernel.sh um|um-stock" ;;
esac

lock_cache
run "$TOP/scripts/source.sh" "$variant"
SOURCE_KEY=$(source_key)
export SOURCE_KEY
build=$(kernel_path "$kind")
source=$(stock_source_path)
[[ $kind == um-stock ]] || source=$(patched_source_path)
stamp=$build/.bpf-patcher.stamp
want=$(kernel_stamp "$kind")
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0

[[ -d $build ]] || need_disk 1500 "the $name"
rm -f "$stamp"
mapfile -t fragments < <(config_fragments "$kind")
stage "$name: configuration" "$kind-config" configure "$source" "$build" "${fragments[@]}"
stage "$name: build" "$kind" compile "$source" "$build"

# Compiler warnings, in C and in Rust; the linker's and driver's own remarks are not about the code.
warnings=$(grep -cE '^([^ ]+:[0-9]+:[0-9]+: warning:|warning: )' "$LOGS/$kind.log" || true)
if ((warnings)); then
	# What warned must be compiled again for the warning to be seen again.
	find "$build" -name '*.o' -newer "$build/.bpf-patcher.start" -delete
	die "$name: $warnings compiler warnings; log: $LOGS/$kind.log"
fi
echo "$want" >"$stamp.new"
mv "$stamp.new" "$stamp"
