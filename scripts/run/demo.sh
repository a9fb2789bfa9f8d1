#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: builds what is missing, boots the patched kernel twice (ladder, programs) and
# prints the tables.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# Before anything waits for the cache.
run "$TOP/scripts/setup/host-packages.sh"

boot_prepare um
ladder=(ladder)
if [[ -n ${FULL:-} && ${FULL} != 0 ]]; then
	ladder+=(--full)
	export UML_TIMEOUT=${UML_TIMEOUT:-3600}
fi
# The report shows what differs or failed.
failed=()
boot_loader um "${ladder[0]}" "${ladder[@]}" || failed+=(ladder)
boot_loader um programs programs || failed+=(programs)

status=0
cd "$TOP"
run scripts/setup/inroot.sh python3 scripts/report/loader_report.py run results/ladder.log results/programs.log || status=$?
((${#failed[@]} == 0)) || die "not everything was as expected: ${failed[*]}; logs in $TOP/results"
exit "$status"
