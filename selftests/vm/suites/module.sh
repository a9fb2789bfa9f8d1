#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh OUT OTHER OTHER_VERSION VERSION: the module's life: modes, unloading, being loaded twice.
# OTHER is a module for another version of the contract, OTHER_VERSION; the kernel, which has VERSION,
# has to refuse it.

set -u
out=$1 other=$2 other_version=$3 version=$4
mode=/sys/module/bpf_patcher/parameters/mode
exec >"$out/log" 2>&1

fail() {
	echo "FAIL: $*"
	exit 1
}
# said TEXT: the kernel's messages since the last call have it.
said() {
	sleep 0.2
	dmesg --read-clear | tee /tmp/said | grep -qF "$1" || fail "the kernel did not say '$1' but: $(cat /tmp/said)"
	echo "the kernel said: $(grep -F "$1" /tmp/said | sed 's/^\[[^]]*\] //')"
}
# refused COMMAND...
refused() { ! "$@" 2>/tmp/refused || fail "'$*' was not refused"; }

[[ ! -d /sys/module/bpf_patcher ]] || rmmod bpf_patcher || fail "it cannot be unloaded"
# The kernel's own test of sessions has a patcher of its own, for which there is room now.
./test_progs -w 1200 -a rewrite_session
grep -q '^#[0-9]* *rewrite_session:OK' "$out/log" || fail "rewrite_session of test_progs did not pass"
dmesg --clear
refused insmod "$other"
said "patcher is built for version $other_version of the contract, this kernel has version $version"
refused modprobe bpf_patcher mode=fast
said "mode is stock, patcher or verify"
for name in stock patcher verify; do
	modprobe bpf_patcher "mode=$name" || fail "mode=$name"
	[[ $(<"$mode") == "$name" ]] || fail "mode=$name shows as $(<"$mode")"
	# Programs with edits: their sessions are counted in every mode but stock.
	./test_verifier 0 >/tmp/verifier || fail "test_verifier in mode $name: $(tail -n 1 /tmp/verifier)"
	sessions=$(awk '$1 == "sessions" { print $2 }' /sys/module/bpf_patcher/parameters/stats)
	[[ $name == stock && $sessions == 0 || $name != stock && $sessions != 0 ]] || fail "$sessions sessions in mode $name"
	echo "mode $name: $sessions sessions"
	[[ $name == stock ]] || grep -qE '^[a-z_]+\.sessions [1-9]' /sys/module/bpf_patcher/parameters/stats || fail "no pass has counters in mode $name"
	! echo 0 2>/dev/null >/sys/module/bpf_patcher/parameters/stats || fail "the counters can be written"
	refused insmod "$(modinfo -n bpf_patcher)"
	rmmod bpf_patcher || fail "it cannot be unloaded in mode $name"
done
modprobe bpf_patcher || fail "without a mode"
[[ $(<"$mode") == patcher ]] || fail "the default is $(<"$mode")"
echo verify >"$mode"
[[ $(<"$mode") == verify ]] || fail "the mode cannot be changed"
./test_verifier 0 >/tmp/verifier || fail "test_verifier after a change of the mode: $(tail -n 1 /tmp/verifier)"
echo OK
