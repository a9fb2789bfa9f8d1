#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration: builds what is missing, boots the patched kernel and
# prints the tables.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# Before anything waits for the cache.
run "$TOP/scripts/setup/host-packages.sh"

boot_prepare um
stock_max=15000 report=(run)
export UML_TIMEOUT=${UML_TIMEOUT:-1200}
if [[ -n ${FULL:-} && ${FULL} != 0 ]]; then
	stock_max=95000 report+=(--full)
	export UML_TIMEOUT=3600
fi
# The report shows what differs or failed.
good=true
boot_loader um demo measure --only context,objects --n 1000,5000,15000,45000,95000,195000,999000 --stock-max "$stock_max" || good=false

status=0
cd "$TOP"
run scripts/setup/inroot.sh python3 scripts/report/loader_report.py "${report[@]}" results/demo.log || status=$?
"$good" || die "not everything was as expected: $(said demo); log: $(log_path demo)"
exit "$status"
