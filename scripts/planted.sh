#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# planted.sh [NAME...]: plants the faults of selftests/planted.list in a copy of the module, one at a time, and runs random
# sessions on each. Mode verify has to notice every one; its first dump is shown.

# shellcheck source=scripts/paths.sh
source "$(dirname "$0")/paths.sh"

list=$TOP/selftests/planted.list
lock_cache
run "$TOP/scripts/kernel.sh" um
dir=$(partial_dir planted)
good=0 bad=0

# plant FILE OLD NEW: in the copy; OLD has to be there once.
plant() {
	python3 - "$@" <<-'END'
		import sys
		path, old, new = sys.argv[1:]
		text = open(path).read()
		if text.count(old) != 1:
		    sys.exit(f"{path} has {text.count(old)} times: {old}")
		open(path, "w").write(text.replace(old, new))
	END
}

while IFS= read -r line; do
	[[ -n $line && $line != \#* ]] || continue
	line=${line//\\|/$'\x01'}
	IFS='|' read -r name file old new <<<"${line// | /|}"
	old=${old//$'\x01'/|} new=${new//$'\x01'/|}
	(($# == 0)) || [[ " $* " == *" $name "* ]] || continue

	rm -rf "$dir/copy"
	mkdir "$dir/copy"
	cp -a "$TOP"/{Kbuild,Kconfig,configs,patches,rust,scripts} "$dir/copy/"
	plant "$dir/copy/$file" "$old" "$new" || die "$list: $name no longer fits"
	note "$name: $file: $new"
	status=0
	KUNIT_FILTER='bpf_patcher_differential.random_small*' SESSIONS=20000 \
		run "$dir/copy/scripts/kunit.sh" >/dev/null 2>"$dir/err" || status=$?
	dump=$(sed -n 's/^bpf_patcher: verify: /    /p' "$dir/copy/results/kunit.log" 2>/dev/null | awk '/differs from stock/ && n++ { exit } { print }')
	if ((status)) && [[ -n $dump ]]; then
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

# Not to leave a broken kernel behind.
run "$TOP/scripts/kernel.sh" um
echo "$good planted faults noticed, $bad not noticed"
((good > 0 && bad == 0))
