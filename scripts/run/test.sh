#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh [CHECK...]: runs all checks, or those named. Ends with a line `N passed, N failed, N skipped`.
# A check is a script: status 0 is a pass, 77 a skip, anything else a failure. Its last line of output is its summary.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# Before anything waits for the cache.
run "$TOP/scripts/setup/host-packages.sh"

# Cheap ones first, so that mistakes in the text show before kernels are built.
checks=(format shellcheck python loader checkpatch series sites module build module-clippy uml engine-on-host prove kunit no-panic identity verify
	defects limits far-jumps trust stock-identity selftests bench)
# The last one runs when it is named.
all=" ${checks[*]} configs "
# A check's script is in checks/ and has its name, except where a script elsewhere has that name.
declare -A script=([loader]=checks/loader-tests [module]=checks/module-refusals [uml]=checks/uml-status
	["engine-on-host"]=checks/host-tests [prove]=run/prove [kunit]=run/kunit ["far-jumps"]=checks/far-jumps-short
	[trust]=checks/trust-short [selftests]=checks/selftests-short [bench]=checks/bench-short)
(($# == 0)) || checks=("$@")
for check in "${checks[@]}"; do [[ $all == *" $check "* ]] || die "there is no check '$check'; there are:$all"; done

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
	# All output goes to the log. The stages of a check also show on the terminal.
	piped "$TOP/scripts/${script[$check]:-checks/$check}.sh" 2>&1 | tee "$log" |
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
