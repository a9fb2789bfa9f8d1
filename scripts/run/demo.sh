#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration, from nothing: builds what is missing, boots the patched kernel twice (ladder, real programs), reports.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# Before anything waits for the cache.
run "$TOP/scripts/setup/host-packages.sh"

# boot COMMAND...: one command of the loader; its output goes to a log, its progress to the terminal.
boot() {
	local log=$results/$1.log start=$SECONDS status=0
	note "boot the patched kernel: $* (log: $log)"
	run "$TOP/scripts/run/uml.sh" "$kernel" "$initramfs" "$@" | tee "$log" | sed -un 's/^# /    /p' >&2 || status=$?
	printf '    %s done in %s\n' "$1" "$(elapsed $((SECONDS - start)))" >&2
	# The report shows what differs or failed; without a result there is nothing to show.
	grep -q '^@exit ' "$log" || {
		tail -n 15 "$log" | sed 's/^/    | /' >&2
		die "$1: the kernel gave no result; log: $log"
	}
	((status == 0)) || failed+=("$1")
}

run "$TOP/scripts/build/kernel.sh" um
run "$TOP/scripts/build/initramfs.sh"
kernel=$("$TOP/scripts/setup/where.sh" uml)
initramfs=$("$TOP/scripts/setup/where.sh" initramfs)
results=$TOP/results
mkdir -p "$results"

# A kernel that warns, as of an allocation larger than the page allocator serves, is not as expected.
export UML_APPEND=${UML_APPEND:-quiet kunit.enable=0 panic_on_warn=1}
failed=()
ladder=(ladder)
if [[ -n ${FULL:-} && ${FULL} != 0 ]]; then
	ladder+=(--full)
	export UML_TIMEOUT=${UML_TIMEOUT:-3600}
fi
boot "${ladder[@]}"
boot programs

status=0
run "$TOP/scripts/setup/inroot.sh" python3 scripts/report/loader_report.py run "$results/ladder.log" "$results/programs.log" || status=$?
((${#failed[@]} == 0)) || die "not everything was as expected: ${failed[*]}; logs in $results"
exit "$status"
