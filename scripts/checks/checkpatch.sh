#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each series passes the kernel's own checkpatch.pl: no errors, no warnings; its stricter CHECKs are shown.
#
# FILE_PATH_CHANGES asks whether a new file needs a line in MAINTAINERS; kernel/bpf/ and
# include/linux/bpf* have one. UNKNOWN_COMMIT_ID looks a Fixes: tag up in the kernel's history, which the
# packaged source does not have. EXPORT_SYMBOL wants exports beside their functions; those of patcher.c are in
# one place, so that nothing is exported where patchers are not built.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

source=$(stock_source_path)
mapfile -t series < <(all_series "$source")
mapfile -d '' -t patches < <(find "${series[@]}" -name '*.patch' -print0 | sort -z)
((${#patches[@]})) || {
	echo "no patches in ${series[*]#"$TOP"/}"
	exit 77
}
cd "$source"
status=0
out=$(run "$TOP/scripts/setup/inroot.sh" perl scripts/checkpatch.pl --strict --terse --show-types --color=never \
	--ignore=FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID,EXPORT_SYMBOL \
	"${patches[@]}" 2>&1) || status=$?
echo "$out"
errors=$(grep -cE ': (ERROR|WARNING):' <<<"$out" || true)
checks=$(grep -cE ': CHECK:' <<<"$out" || true)
((errors == 0)) || {
	echo "$errors errors or warnings in ${#patches[@]} patches"
	exit 1
}
# With --terse it is silent about clean patches. With remarks it fails and counts them.
((status == 0)) || grep -q 'total: ' <<<"$out" || die "checkpatch.pl did not run"
echo "${#patches[@]} patches, $checks checks"
