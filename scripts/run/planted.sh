#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# planted.sh [NAME...]: plants the faults of selftests/planted.list in a copy of the module or of the kernel, one at a
# time, and runs random sessions on each, or loads programs. Mode verify has to notice every fault; its first dump is
# shown.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"
# shellcheck source=scripts/lib/plant.sh
source "$TOP/scripts/lib/plant.sh"

# plant_in_kernel FILE OLD NEW: plants a fault in a file of the patched source, as one more patch of
# the copy's last series.
plant_in_kernel() {
	local file=$1 source
	# It has the fault before this one.
	run "$TOP/scripts/build/source.sh" patched
	source=$(patched_source_path)
	mkdir -p "$copy/planted"/{a,b}"/${file%/*}"
	cp "$source/$file" "$copy/planted/a/$file"
	cp "$source/$file" "$copy/planted/b/$file"
	plant "$copy/planted/b/$file" "$2" "$3" || return
	(cd "$copy/planted" && diff -u "a/$file" "b/$file" >"$(echo "$copy/patches/$(kernel_version "$source")"/*-far-jumps)/9999-planted.patch") || true
}

# kunit [FILTER]: random sessions in the copy's kernel, or these tests. Succeeds if nothing is noticed.
kunit() {
	log=$copy/results/kunit.log
	(cd "$copy" && KUNIT_FILTER=${1:-bpf_patcher_differential.random_small*} SESSIONS=20000 \
		KUNIT_APPEND=bpf_patcher.verify_warn=1 run scripts/run/kunit.sh) >/dev/null 2>"$dir/err"
}

# load COMMAND...: has the loader load programs in the copy's kernel. Succeeds if nothing is noticed.
load() {
	log=$(log_path planted-load)
	(cd "$copy" && run scripts/build/kernel.sh um) 2>"$dir/err" || die "the kernel with this fault does not build: $(tail -n 1 "$dir/err")"
	UML_APPEND="loglevel=5 kunit.enable=0 bpf_patcher.verify_warn=1" boot_loader um planted-load "$@" >/dev/null 2>"$dir/err" &&
		! grep -q 'WARNING: ' "$log"
}

list=$TOP/selftests/planted.list
lock_cache
boot_prepare um
dir=$(partial_dir planted)
copy=$dir/copy
good=0 bad=0

while IFS= read -r line; do
	[[ -n $line && $line != \#* ]] || continue
	line=${line//\\|/$'\x01'}
	IFS='|' read -r name file old new how <<<"${line// | /|}"
	old=${old//$'\x01'/|} new=${new//$'\x01'/|}
	(($# == 0)) || [[ " $* " == *" $name "* ]] || continue

	rm -rf "$copy"
	mkdir "$copy"
	cp -a "$TOP"/{Kbuild,Kconfig,configs,kernels,patches,rust,scripts} "$copy/"
	case $file in
	rust/*) plant "$copy/$file" "$old" "$new" ;;
	*) plant_in_kernel "$file" "$old" "$new" ;;
	esac || die "$list: $name no longer fits"
	note "$name: $file: $new"
	status=0 others=0
	if [[ $how == load\ * ]]; then
		read -ra command <<<"${how#load }"
		load "${command[@]}" || status=$?
		# Sessions are as with stock.
		others=$(grep -c 'verify: .* differs from stock: ' "$log" || true)
	else
		kunit "$how" || status=$?
	fi
	dump=$(awk '/^bpf_patcher: verify: / && (!/differs from/ || !n++) && n == 1 { sub(/^bpf_patcher: verify: /, "    "); print }' \
		"$log" 2>/dev/null || true)
	# With verify_warn, a difference is also a warning.
	if ((status && !others)) && [[ -n $dump ]] && grep -q 'verify: a session differs from stock' "$log"; then
		echo "noticed: $name"
		echo "$dump"
		good=$((good + 1))
	else
		echo "NOT noticed: $name"
		tail -n 5 "$dir/err"
		bad=$((bad + 1))
	fi
done <"$list"
remove_tree "$dir"

# The last kernel has a fault: build a good one.
run "$TOP/scripts/build/kernel.sh" um
echo "$good planted faults noticed, $bad not noticed"
((good > 0 && bad == 0))
