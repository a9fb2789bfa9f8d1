#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh [CHECK...]: runs the checks of scripts/checks/, all or those named. Ends with a line `N passed,
# N failed, N skipped`. A check is a script: status 0 is a pass, 77 a skip, anything else a failure. Its
# last line of output is its summary.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# Before anything waits for the cache.
run "$TOP/scripts/setup/host-packages.sh"

# Cheap ones first, so that mistakes in the text show before kernels are built.
checks=(format shellcheck python loader checkpatch series sites module build module-clippy uml engine-on-host prove kunit no-panic identity verify
	defects limits far-jumps trust stock-identity selftests bench)
(($# == 0)) || checks=("$@")

declare -A count=([ok]=0 [FAIL]=0 [skip]=0)
finish() { printf '%d passed, %d failed, %d skipped\n' "${count[ok]}" "${count[FAIL]}" "${count[skip]}"; }

# Every check needs the source.
run "$TOP/scripts/build/source.sh" patched || {
	count[FAIL]=1
	finish
	exit 1
}

logs=$TOP/results/test
mkdir -p "$logs"
for check in "${checks[@]}"; do
	log=$logs/$check.log start=$SECONDS status=0
	[[ -x $TOP/scripts/checks/$check.sh ]] || die "there is no check '$check'; there are: $(basename -s .sh "$TOP"/scripts/checks/*.sh | tr '\n' ' ')"
	# All output goes to the log. The stages of a check also show on the terminal.
	piped "$TOP/scripts/checks/$check.sh" 2>&1 | tee "$log" |
		sed -unE '/^==> |^    .* ([0-9]+:[0-9]{2}|done in .*)( .*)?$/p' >&2 || status=${PIPESTATUS[0]}
	case $status in
	0) verdict=ok ;;
	77) verdict=skip ;;
	*) verdict=FAIL ;;
	esac
	count[$verdict]=$((count[$verdict] + 1))
	printf '%-4s  %-16s %5s  %s\n' "$verdict" "$check" "$(elapsed $((SECONDS - start)))" "$(tail -n 1 "$log" | cut -c1-100)"
	[[ $verdict != FAIL ]] || {
		tail -n 15 "$log" | sed 's/^/    | /'
		echo "    log: $log"
	}
done
finish
((count[FAIL] == 0))
