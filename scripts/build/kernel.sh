#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh KIND: builds a kernel in the cache; the directories of kernels/ are the kinds. After
# a change of the module or the series, only what depends on it is built again. An interrupted build resumes.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

kmake() {
	local args
	mapfile -t args < <(kernel_make_args "$kind")
	run "$TOP/scripts/setup/inroot.sh" make -C "$source" O="$build" "${args[@]}" "$@"
}

configure() {
	local base=() configs line arch kconfig
	kind=$1 source=$2 build=$3
	mapfile -t configs < <(kind_value "$kind" configs)
	arch=$(kind_value "$kind" arch) kconfig=$(kind_value "$kind" kconfig)
	mkdir -p "$build"
	[[ -z $kconfig ]] || cat "$source/Kconfig" "$TOP/kernels/$kind/$kconfig.Kconfig" >"$build/Kconfig.$kconfig"
	! has_module "$kind" || copy_module "$source/kernel/bpf/patcher"
	if [[ $arch == arm64 ]]; then
		# All other options are off.
		kmake "KCONFIG_ALLCONFIG=${configs[0]}" allnoconfig
	else
		if [[ $arch == x86_64 ]]; then
			# As the CI does it: its files on an empty one.
			base=("$source"/tools/testing/selftests/bpf/config{,.vm,.x86_64})
			: >"$build/.config"
		else
			kmake defconfig
		fi
		(cd "$build" && run "$TOP/scripts/setup/inroot.sh" "$source/scripts/kconfig/merge_config.sh" -m .config "${base[@]}" "${configs[@]}")
		kmake olddefconfig
	fi
	# Kconfig silently drops options whose dependencies are missing. Of two files the later one counts.
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$build/.config" ;;
		"# CONFIG_"*" is not set") ! grep -q "^${line:2:-11}=" "$build/.config" ;;
		esac || {
			echo "refused: the configuration did not take '$line' (a missing dependency, or a KSRC without the option)"
			exit 1
		}
	done < <(awk 'match($0, /^(# )?CONFIG_[A-Za-z0-9_]+/) { line[$1 == "#" ? $2 : substr($0, 1, index($0, "=") - 1)] = $0 }
		END { for (name in line) print line[name] }' "${configs[@]}")
}

compile() {
	local target
	kind=$1 source=$2 build=$3
	touch "$build/.bpf-patcher.start"
	for target in $(kind_value "$kind" targets); do kmake -j"$JOBS" "$target"; done
}
dispatch_step "$@"

kind=${1:-um}
check_kind "$kind"
name=$(kind_value "$kind" title)

lock_cache
run "$TOP/scripts/build/source.sh" "$(kind_value "$kind" tree)"
pin_source_key
build=$(kernel_path "$kind")
source=$(kernel_source "$kind")
stamp=$build/.bpf-patcher.stamp
want=$(kernel_stamp "$kind")
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0

[[ -d $build ]] || need_disk "$(kind_value "$kind" size)" "the $name"
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
