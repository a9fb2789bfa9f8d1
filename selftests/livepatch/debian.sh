#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A service of a Debian with systemd and its own kernel: the packages are installed, programs load, the packages go.
# COUNT, TRANSITIONS and FULL are set on the kernel's command line.

# shellcheck source=selftests/livepatch/lib.sh
source /lib.sh
export DEBIAN_FRONTEND=noninteractive
exec >/dev/console 2>&1
deb=$(echo /packages/bpf-patcher-livepatch-*.deb)
tracing=/sys/kernel/tracing

# What a purge has to leave as it was. apt's and dpkg's own records, depmod's and the journal change.
files() { find /etc /usr /var/lib/systemd -xdev \( -type f -o -type l \) -not -path '/usr/lib/modules/*/modules.*' | sort; }
shown() { bpf-patcher status | sed 's/^/# /'; }
active() { [[ $(systemctl is-active bpf-patcher) == "$1" ]]; }
differences() { [[ $(awk '$1 == "verify_differences" { print $2 }' /sys/module/bpf_patcher/parameters/stats) == "$1" ]]; }
# says TEXT COMMAND...: its output has TEXT, whatever its status.
says() { "${@:2}" 2>&1 | tee /dev/stderr | grep -qF -- "$1"; }

no_unit_failed() { systemctl --failed --no-legend >/tmp/units && refused grep . /tmp/units; }

# The same package for another kernel.
other_package() {
	rm -rf /tmp/other /tmp/other.deb
	dpkg-deb -R "$deb" /tmp/other
	sed -i -E 's/linux-binary-[^ ]+ \(= [^)]*\)/linux-binary-9.9.9 (= 1)/' /tmp/other/DEBIAN/control
	dpkg-deb -b /tmp/other /tmp/other.deb
}
# Another kernel's unit: its modules are not there.
unit_without_modules() {
	local modules
	modules=/usr/lib/modules/$(uname -r)/updates/bpf-patcher
	systemctl stop bpf-patcher
	mv "$modules" /tmp/modules
	systemctl start bpf-patcher
	mv /tmp/modules "$modules"
	active inactive && journalctl -b -u bpf-patcher --no-pager | grep -i "skipped.*unmet condition"
}

# watch WHAT: how often tools see the function bpf_check, while a program loads: kprobes at its beginning, in it and at its
# return, and a tracing program.
watch() {
	local hits runs
	echo >$tracing/kprobe_events
	printf '%s\n' 'p:kprobe bpf_check' 'p:inside bpf_check+9' 'r:kretprobe bpf_check' >$tracing/kprobe_events || return
	sysctl -qw kernel.bpf_stats_enabled=1
	bpftool prog loadall /watch.o /sys/fs/bpf/watch autoattach || return
	for probe in kprobe inside kretprobe; do echo 1 >$tracing/events/kprobes/$probe/enable || return; done
	loader identical --only context >/dev/null || return
	hits=$(awk '{ printf "\"%s\":%s,", $1, $2 }' $tracing/kprobe_profile)
	runs=$(bpftool prog show name on_check | grep -oE 'run_cnt [0-9]+' | cut -d' ' -f2)
	rm -r /sys/fs/bpf/watch
	for probe in kprobe inside kretprobe; do echo 0 >$tracing/events/kprobes/$probe/enable; done
	echo >$tracing/kprobe_events
	echo "@json {\"watch\":{\"when\":\"$1\",$hits\"fentry\":${runs:-0}}}"
}
enable() { bpf-patcher start; }
disable() { bpf-patcher stop; }

# suite WHEN: the kernel's test_verifier. It wants a module, whose functions some of its tests call; these fail with and
# without the livepatch, as another module has its name.
suite() {
	echo "@phase $1"
	(cd /suites && ./test_verifier) >/tmp/suite 2>&1
	grep -E '^#[0-9]+/[pu] ' /tmp/suite >"/tmp/suite.$1"
	check "test_verifier ran, $1" grep Summary /tmp/suite
	say "test_verifier, $1: $(cat /tmp/out)"
}

say "$(uname -r -v), $(systemctl --version | head -n 1), $(nproc) CPUs"
check "tools watch bpf_check" watch before
grep @json /tmp/out
files >/tmp/before
check "apt refuses the package of another kernel" eval 'other_package && refused apt-get install -y /packages/bpf-patcher_*.deb /tmp/other.deb'
check "the packages are installed" apt-get install -y --no-install-recommends /packages/*.deb
check "the service is active" active active
check "the status is good" bpf-patcher status
shown
check "tools watch bpf_check with the livepatch" watch after
grep @json /tmp/out
check "random programs are the same in both modes" loader identical --only random --count "${COUNT:-1000}" --seed 3
echo verify >/sys/module/bpf_patcher/parameters/mode
check "random programs in mode verify" loader identical --only random --modes verify --count "${COUNT:-1000}" --seed 4
check "mode verify found no difference" differences 0
shown
check "another kernel has no livepatch, and the command says so" says "there is no livepatch for 2.6" setarch --uname-2.6 bpf-patcher start
check "on another kernel the package waits" says "the livepatch goes in when" setarch --uname-2.6 apt-get install -y --reinstall "$deb"
check "on another kernel the service is skipped" unit_without_modules
check "nothing is loaded then" test ! -e /sys/module/bpf_patcher_livepatch
check "the service starts" eval 'systemctl start bpf-patcher && active active'
if [[ -n ${FULL:-} ]]; then
	for mode in patcher verify; do
		echo $mode >/sys/module/bpf_patcher/parameters/mode
		suite $mode
	done
	check "mode verify found no difference in test_verifier" differences 0
fi
check "the service stops" systemctl stop bpf-patcher
check "nothing is loaded" test ! -e /sys/module/bpf_patcher_livepatch
say "${TRANSITIONS:=20} transitions"
transitions "$TRANSITIONS" enable disable
systemctl start bpf-patcher
check "the packages are purged" apt-get purge -y 'bpf-patcher*'
check "nothing is loaded" test ! -e /sys/module/bpf_patcher_livepatch -a ! -e /sys/module/bpf_patcher -a ! -e $sys
files >/tmp/after
check "no file is left" diff /tmp/before /tmp/after
if [[ -n ${FULL:-} ]]; then
	suite stock
	for mode in patcher verify; do
		say "test_verifier, mode $mode: $(diff /tmp/suite.stock /tmp/suite.$mode | grep -c '^>') tests differ from those without the livepatch"
		diff /tmp/suite.stock /tmp/suite.$mode | sed -nE 's/^([<>])/# \1/p'
	done
fi
check "the kernel reports nothing" no_reports
check "no unit failed" no_unit_failed
echo "@exit $((failed > 0))"
systemctl poweroff
