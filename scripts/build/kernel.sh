#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh KIND: builds a kernel in the cache; config_fragments in lib/paths.sh lists the kinds. After a
# change of the module or the series, only what depends on it is built again. An interrupted build
# resumes.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

kmake() {
	local args
	mapfile -t args < <(kernel_make_args "$kind")
	run "$TOP/scripts/setup/inroot.sh" make -C "$source" O="$build" "${args[@]}" "$@"
}

configure() {
	local base=() fragments line
	kind=$1 source=$2 build=$3
	mapfile -t fragments < <(config_fragments "$kind")
	mkdir -p "$build"
	[[ $kind != um-none ]] || cat "$source/Kconfig" "$TOP/configs/none.Kconfig" >"$build/Kconfig.none"
	! grep -qx CONFIG_BPF_PATCHER=y "${fragments[@]}" || copy_module "$source/kernel/bpf/patcher"
	if [[ $kind == arm64 ]]; then
		# All other options are off.
		kmake "KCONFIG_ALLCONFIG=${fragments[0]}" allnoconfig
	else
		if [[ $kind == vm* ]]; then
			# As the CI does it: its files on an empty one.
			base=("$source"/tools/testing/selftests/bpf/config{,.vm,.x86_64})
			: >"$build/.config"
		else
			kmake defconfig
		fi
		(cd "$build" && run "$TOP/scripts/setup/inroot.sh" "$source/scripts/kconfig/merge_config.sh" -m .config "${base[@]}" "${fragments[@]}")
		kmake olddefconfig
	fi
	# Kconfig silently drops options whose dependencies are missing. Of two fragments the later one counts.
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$build/.config" ;;
		"# CONFIG_"*" is not set") ! grep -q "^${line:2:-11}=" "$build/.config" ;;
		esac || {
			echo "refused: the configuration did not take '$line' (a missing dependency, or a KSRC without the option)"
			exit 1
		}
	done < <(awk 'match($0, /^(# )?CONFIG_[A-Za-z0-9_]+/) { line[$1 == "#" ? $2 : substr($0, 1, index($0, "=") - 1)] = $0 }
		END { for (name in line) print line[name] }' "${fragments[@]}")
}

compile() {
	kind=$1 source=$2 build=$3
	touch "$build/.bpf-patcher.start"
	case $kind in
	# With it come the bindings.
	um-no-*) kmake -j"$JOBS" prepare && kmake -j"$JOBS" kernel/bpf/ ;;
	# The headers are for its init.
	arm64) kmake -j"$JOBS" Image headers ;;
	*) kmake -j"$JOBS" ;;
	esac
}
dispatch_step "$@"

kind=${1:-um}
case $kind in
um) variant=patched name="patched kernel" ;;
um-fault | um-debug | um-none) variant=patched name="patched kernel (${kind#um-})" ;;
um-stock) variant=stock name="unpatched kernel" ;;
vm-stock) variant=stock name="virtual machine's unpatched kernel" ;;
um-no-net | um-no-syscall) variant=patched name="objects of the series (${kind#um-})" ;;
arm64) variant=patched name="kernel for arm64" ;;
*)
	[[ " $VM_KINDS " == *" $kind "* ]] ||
		die "usage: kernel.sh um|um-fault|um-debug|um-none|um-stock|um-no-net|um-no-syscall|${VM_KINDS// /|}|arm64"
	variant=patched name="virtual machine's kernel ($kind)"
	;;
esac

lock_cache
run "$TOP/scripts/build/source.sh" "$variant"
pin_source_key
build=$(kernel_path "$kind")
source=$(stock_source_path)
[[ $variant == stock ]] || source=$(patched_source_path)
stamp=$build/.bpf-patcher.stamp
want=$(kernel_stamp "$kind")
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0

size=1500
[[ $kind != vm* ]] || size=6000
[[ -d $build ]] || need_disk "$size" "the $name"
rm -f "$stamp"
stage "$name: configuration" "$kind-config" configure "$kind" "$source" "$build"
stage "$name: build" "$kind" compile "$kind" "$source" "$build"

# Warnings of the compilers, in C and in Rust; those of linker and driver are not about the code.
warnings=$(grep -cE '^([^ ]+:[0-9]+:[0-9]+: warning:|warning: )' "$LOGS/$kind.log" || true)
if ((warnings)); then
	# The next build has to compile these files again, to show the warning again.
	find "$build" -name '*.o' -newer "$build/.bpf-patcher.start" -delete
	die "$name: $warnings compiler warnings; log: $LOGS/$kind.log"
fi
echo "$want" >"$stamp.new"
mv "$stamp.new" "$stamp"
