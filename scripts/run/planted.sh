#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# planted.sh [NAME...]: plants the faults of selftests/planted.list in a copy of the module, one at a time,
# and runs random sessions on each. Mode verify has to notice every fault; its first dump is shown.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"
# shellcheck source=scripts/lib/plant.sh
source "$TOP/scripts/lib/plant.sh"

list=$TOP/selftests/planted.list
lock_cache
run "$TOP/scripts/build/kernel.sh" um
dir=$(partial_dir planted)
good=0 bad=0

while IFS= read -r line; do
	[[ -n $line && $line != \#* ]] || continue
	line=${line//\\|/$'\x01'}
	IFS='|' read -r name file old new filter <<<"${line// | /|}"
	old=${old//$'\x01'/|} new=${new//$'\x01'/|}
	(($# == 0)) || [[ " $* " == *" $name "* ]] || continue

	rm -rf "$dir/copy"
	mkdir "$dir/copy"
	cp -a "$TOP"/{Kbuild,Kconfig,configs,patches,rust,scripts} "$dir/copy/"
	plant "$dir/copy/$file" "$old" "$new" || die "$list: $name no longer fits"
	note "$name: $file: $new"
	status=0
	(cd "$dir/copy" && KUNIT_FILTER=${filter:-bpf_patcher_differential.random_small*} SESSIONS=20000 \
		KUNIT_APPEND=bpf_patcher.verify_warn=1 run scripts/run/kunit.sh) >/dev/null 2>"$dir/err" || status=$?
	dump=$(awk '/^bpf_patcher: verify: / && (!/differs from stock/ || !n++) && n == 1 { sub(/^bpf_patcher: verify: /, "    "); print }' \
		"$dir/copy/results/kunit.log" 2>/dev/null || true)
	# With verify_warn, a difference is also a warning.
	if ((status)) && [[ -n $dump ]] && grep -q 'verify: a session differs from stock' "$dir/copy/results/kunit.log"; then
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
