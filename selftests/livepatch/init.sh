#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The init of a machine that runs Debian's unmodified kernel: programs load before, while and after the livepatch is in.
# LADDER, STOCK_MAX, COUNT and TRANSITIONS are set on the kernel's command line.

# shellcheck source=selftests/livepatch/lib.sh
source /lib.sh
export HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmp /tmp
LADDER=${LADDER:-1000,4000,10000,30000,95000} STOCK_MAX=${STOCK_MAX:-10000}

settled() {
	local tries=0
	while [[ $(cat $sys/transition 2>/dev/null || echo 0) != 0 ]]; do
		((tries++ < 3000)) || return 1
		sleep 0.02
	done
}
enable() { insmod /modules/bpf-patcher-livepatch.ko && settled && insmod /modules/bpf_patcher.ko; }
# A load that has a session open pins the module for its time.
disable() {
	local tries=0
	until rmmod bpf_patcher 2>/tmp/rmmod; do
		((tries++ < 500)) || {
			cat /tmp/rmmod
			return 1
		}
		sleep 0.02
	done
	echo 0 >$sys/enabled && gone && rmmod bpf_patcher_livepatch
}
gone() {
	local tries=0
	while [[ -e $sys ]]; do
		((tries++ < 3000)) || return 1
		sleep 0.02
	done
}

# long_load COMMAND...: a load of seconds is in the kernel's rewriting when COMMAND switches the livepatch. It keeps its
# functions to its end, and with it the transition; the load of another task is switched.
long_load() {
	local load status=0
	loader measure --only context --n 10000 --stock-max 10000 --rounds 1 >/tmp/long 2>&1 &
	load=$!
	sleep 2
	"$@"
	sleep 3
	[[ $(<$sys/transition) == 1 ]] || status=1
	loader identical --only handmade || status=1
	kill -0 $load || status=1
	echo "transition $(<$sys/transition), the load's state $(<"/proc/$load/patch_state")"
	wait $load || status=1
	grep -q '"good":true.*"loaded":true' /tmp/long || status=1
	return $status
}
disable_now() { echo 0 >$sys/enabled; }

# measure WHEN LADDER STOCK_MAX
measure() {
	echo "@phase $1"
	say "$1: load times"
	{
		loader measure --only context --n "$2" --stock-max "$3" --rounds 1
		loader measure --only policy --n 1000 --stock-max "$3" --rounds 1
		loader measure --only objects --progs /measured --rounds 1
	} >/tmp/measured || failed=$((failed + 1))
	grep -E '^@json .*(family|program)":|^not ok' /tmp/measured
	echo 2 >/proc/sys/net/core/bpf_jit_harden
	check "$1: a list of system calls is installed, blinded" classic seccomp
	cat /tmp/out
	echo 0 >/proc/sys/net/core/bpf_jit_harden
}

say "$(uname -r -v), $(grep -c ^processor /proc/cpuinfo) CPUs, tainted $(cat /proc/sys/kernel/tainted)"
check "the module alone is refused" refused_with "bpf_patcher: Unknown symbol" insmod /modules/bpf_patcher.ko
check "a livepatch for another build is refused" refused_with "the livepatch is for the kernel with build id" insmod /modules/other-build.ko
check "a livepatch for another release is refused" refused_with "bpf_patcher_livepatch: version magic" insmod /modules/other-release.ko
check "nothing of them is left" test ! -e $sys -a ! -e /sys/module/bpf_patcher_livepatch
measure before "$LADDER" "$STOCK_MAX"
check "a load that began before keeps its functions" long_load insmod /modules/bpf-patcher-livepatch.ko
grep . /tmp/out | tail -n 1
check "its transition ends with it" settled
check "a load that began with it keeps the livepatch's" long_load disable_now
check "the livepatch goes then" gone
rmmod bpf_patcher_livepatch
begin=${EPOCHREALTIME/./}
check "the livepatch goes in" insmod /modules/bpf-patcher-livepatch.ko
check "its transition ends" settled
say "transition: $((${EPOCHREALTIME/./} - begin)) us with insmod"
check "the module goes in" insmod /modules/bpf_patcher.ko
say "tainted $(cat /proc/sys/kernel/tainted), mode $(cat /sys/module/bpf_patcher/parameters/mode)"
measure after "$LADDER" 1000
check "programs are the same in both modes" loader identical --only context,handmade,objects
check "random programs are the same in both modes" loader identical --only random --count "${COUNT:-300}" --seed 1
check "random programs in mode verify" loader identical --only random --modes verify --count 200 --seed 2
check "mode verify found no difference" grep -qx 'verify_differences 0' /sys/module/bpf_patcher/parameters/stats
check "both go out" disable
check "nothing is left" test ! -e $sys -a ! -e /sys/module/bpf_patcher_livepatch
measure out 1000,4000 4000
say "${TRANSITIONS:=4} transitions"
transitions "$TRANSITIONS" enable disable
check "the kernel reports nothing" no_reports
dmesg | grep -iE 'livepatch|bpf.patcher' | sed 's/^\[[^]]*\] //' | sort | uniq -c | sort -rn | head -n 20
echo "@exit $((failed > 0))"
echo o >/proc/sysrq-trigger
sleep 60
