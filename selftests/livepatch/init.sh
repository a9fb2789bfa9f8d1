#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The init of a machine that runs Debian's unmodified kernel: programs load before, while and after the livepatch is in.
# TRANSITIONS and LADDER are set on the kernel's command line.

export PATH=/usr/sbin:/usr/bin HOME=/ LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmp /tmp
LADDER=${LADDER:-1000,4000,10000} TRANSITIONS=${TRANSITIONS:-200}
sys=/sys/kernel/livepatch/bpf_patcher_livepatch failed=0

say() { echo "# $*"; }
# check WHAT COMMAND...: counts a failure.
check() {
	local what=$1
	shift
	if "$@" >/tmp/out 2>&1; then
		echo "ok $what"
	else
		echo "not ok $what"
		tail -n 5 /tmp/out
		failed=$((failed + 1))
	fi
}
refused() { ! "$@"; }
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
	echo 0 >$sys/enabled || return
	while [[ -e $sys ]]; do
		((tries++ < 3000)) || return 1
		sleep 0.02
	done
	rmmod bpf_patcher_livepatch
}
# ladder EDITS STOCK_MAX WHEN: load times in ms of the least of the rounds.
ladder() {
	loader measure --only "${FAMILIES:-context}" --n "$1" --stock-max "$2" --rounds 1 >/tmp/ladder
	grep -E '^not ok' /tmp/ladder && failed=$((failed + 1))
	grep '"family":{' /tmp/ladder | while read -r line; do
		field() { sed -nE "s/.*\"$1\":\"?([^,\"}]+).*/\1/p" <<<"$line"; }
		ms() { awk -v ns="$(field "$1")" 'BEGIN { print ns ? int(ns / 1e5) / 10 : "-" }'; }
		say "$3 $(field name): stock $(ms stock_ns_min) ms, patcher $(ms patcher_ns_min) ms, without rewriting $(ms twin_ns_min) ms"
	done
}
memory() { awk '/^(MemAvailable|Slab|SUnreclaim|VmallocUsed|Percpu)/ { printf "%s %s ", $1, $2 }' /proc/meminfo; }

say "$(uname -r -v), $(grep -c ^processor /proc/cpuinfo) CPUs, tainted $(cat /proc/sys/kernel/tainted)"
check "the module alone is refused" refused insmod /modules/bpf_patcher.ko
check "a livepatch for another build is refused" refused insmod /modules/other-build.ko
check "a livepatch for another release is refused" refused insmod /modules/other-release.ko
say "before"
ladder "$LADDER" 10000 before
begin=${EPOCHREALTIME/./}
check "the livepatch goes in" insmod /modules/bpf-patcher-livepatch.ko
check "its transition ends" settled
say "transition: $((${EPOCHREALTIME/./} - begin)) us with insmod"
check "the module goes in" insmod /modules/bpf_patcher.ko
say "tainted $(cat /proc/sys/kernel/tainted), mode $(cat /sys/module/bpf_patcher/parameters/mode)"
ladder "$LADDER,30000" 1000 after
check "random programs are the same in both modes" loader identical --count "${COUNT:-300}" --seed 1
check "programs in mode verify" loader identical --modes verify --count 200 --seed 2
grep -H . /sys/kernel/debug/bpf_patcher/* 2>/dev/null | grep -v ':0$' | head -n 60
check "both go out" disable
check "nothing is left" test ! -e $sys
ladder 1000,4000 10000 out

say "$TRANSITIONS transitions, two loaders: $(memory)"
rm -f /tmp/end
loader soak --until /tmp/end --count 200 >/tmp/soak1 2>&1 &
one=$!
loader soak --until /tmp/end --count 200 --seed 2 --only handmade >/tmp/soak2 2>&1 &
two=$!
sleep 1
done=0
for ((i = 1; i <= TRANSITIONS; i++)); do
	echo $((i % 4 / 2 * 2)) >/proc/sys/net/core/bpf_jit_harden
	if ! { enable && disable; } >/tmp/out 2>&1; then
		echo "not ok transition $i"
		cat /tmp/out
		failed=$((failed + 1))
		break
	fi
	done=$i
	((i % 20)) || say "$i of $TRANSITIONS, $SECONDS s: $(memory)"
done
touch /tmp/end
check "loads gave the same throughout, first loader" wait $one
check "loads gave the same throughout, second loader" wait $two
tail -n 3 /tmp/soak1
tail -n 3 /tmp/soak2
say "$done transitions: $(memory)"
reports=$(dmesg | grep -E 'BUG: |WARNING: |KASAN|INFO: (possible|task|rcu)|Oops|panicked')
if [[ -n $reports ]]; then
	echo "$reports"
	failed=$((failed + 1))
fi
dmesg | grep -iE 'livepatch|bpf.patcher' | sort | sed 's/^\[[^]]*\] //' | uniq -c | sort -rn | head -n 20
echo "@exit $((failed > 0))"
echo o >/proc/sysrq-trigger
sleep 60
