#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A service of a Debian with systemd and its own kernel: the packages are installed, programs load, the packages go.

exec >/dev/console 2>&1
export PATH=/usr/sbin:/usr/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
failed=0

# check WHAT COMMAND...: counts a failure.
check() {
	local what=$1
	shift
	if "$@" >/tmp/out 2>&1; then
		echo "ok $what"
	else
		echo "not ok $what"
		tail -n 15 /tmp/out
		failed=$((failed + 1))
	fi
}
refused() { ! "$@"; }
files() { find /etc /usr /var/lib/systemd -xdev \( -type f -o -type l \) -not -path '/usr/lib/modules/*/modules.*' | sort; }
shown() { bpf-patcher status | sed 's/^/# /'; }

echo "# $(uname -r -v), $(systemctl --version | head -n 1)"
files >/tmp/before
check "the packages are installed" apt-get install -y --no-install-recommends /packages/*.deb
cat /tmp/out
check "the service is active" systemctl is-active bpf-patcher
check "the status is good" bpf-patcher status
shown
check "random programs are the same in both modes" loader identical --count "${COUNT:-1000}" --seed 3
shown
check "the service stops" systemctl stop bpf-patcher
check "nothing is loaded" refused test -e /sys/module/bpf_patcher_livepatch
check "the service starts" systemctl start bpf-patcher
check "the status is good again" bpf-patcher status
check "the packages are purged" apt-get purge -y 'bpf-patcher*'
cat /tmp/out
check "nothing is loaded" refused test -e /sys/module/bpf_patcher_livepatch
files >/tmp/after
check "no file is left" diff /tmp/before /tmp/after
check "the kernel reports nothing" refused sh -c "dmesg | grep -E 'BUG: |WARNING: |Oops|INFO: (task|rcu)'"
systemctl --failed --no-legend
echo "@exit $((failed > 0))"
systemctl poweroff
