#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the engine's KUnit suites in the patched User-mode Linux kernel; the kernel's kunit.py reads
# their output.
#
# SESSIONS, SEED, CASE: how many random sessions the differential suite compares with stock, with
# which seed, and which of its programs to run alone. A failure prints SEED and CASE.
# KUNIT_APPEND: more kernel parameters. KUNIT_KIND: another kernel than um.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

filter=${KUNIT_FILTER:-bpf_patcher*}
kind=${KUNIT_KIND:-um}

run "$TOP/scripts/build/kernel.sh" "$kind"
mkdir -p "$TOP/results"
log=$TOP/results/kunit.log
json=$TOP/results/kunit.json
# There is no init: the kernel halts after the tests.
append="kunit.enable=1 kunit.filter_glob=$filter kunit_shutdown=halt kunit.timeout=36000 loglevel=7"
for name in SESSIONS SEED CASE; do
	value=${!name:-}
	[[ -n $value ]] || continue
	[[ $value =~ ^[0-9]+$ ]] || die "$name=$value is not a number"
	append+=" bpf_patcher.test_${name,,}=$value"
done
append+=" ${KUNIT_APPEND:-}"
note "boot the patched kernel: $filter (log: $log)"
UML_TIMEOUT=${UML_TIMEOUT:-3600} UML_APPEND=$append \
	piped "$TOP/scripts/run/uml.sh" "$(kernel_path "$kind")/linux" - 2>/dev/null | tee "$log" |
	sed -un 's/^bpf_patcher: /    /p' >&2 || true

out=$TOP/results/kunit.txt
status=0
(cd "$(patched_source_path)" &&
	run "$TOP/scripts/setup/inroot.sh" python3 tools/testing/kunit/kunit.py parse --json="$json" "$log") | tee "$out" || status=$?
# counted WHAT: how many tests the last line says are so.
counted() { sed -nE "s/.*Testing complete\. .*$1: ([0-9]+).*/\1/p" "$out"; }
passed=$(counted passed) skipped=$(counted skipped)
if ((status || ${passed:-0} == 0)); then
	die "KUnit: a test failed or none ran (filter $filter); log: $log"
fi
# There is no test that may not run.
((${skipped:-0} == 0)) || die "KUnit: $skipped cases were skipped (filter $filter); log: $log"
# KUnit ignores warnings of the kernel.
sed -n '/KTAP version/,$p' "$log" | no_reports || die "KUnit: the kernel has something to say; log: $log"
echo "KUnit: $passed cases passed (filter $filter)"
