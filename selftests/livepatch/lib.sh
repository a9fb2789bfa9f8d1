# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced inside of the machines that run Debian's own kernel.

export PATH=/usr/sbin:/usr/bin LC_ALL=C
# shellcheck disable=SC2034 # of those who source this
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
		tail -n 15 /tmp/out
		failed=$((failed + 1))
	fi
}
refused() { ! "$@"; }
# refused_with TEXT COMMAND...: by the kernel, which says why.
refused_with() { refused "${@:2}" && dmesg | grep -F "$1"; }
no_reports() { ! dmesg | grep -E 'BUG: |WARNING: |Oops|INFO: (possible|task|rcu)|panicked'; }

# available: kB.
available() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo; }

# transitions COUNT ENABLE DISABLE: the livepatch goes in and out, while each CPU loads programs; every load has to give what
# the first one gave, every filter what it says. In the second half they are blinded, and so reported otherwise.
transitions() {
	local count=$1 enable=$2 disable=$3 done=0 first=0 last harden loads i end=/tmp/end begin=$SECONDS
	for harden in 0 2; do
		echo $harden >/proc/sys/net/core/bpf_jit_harden
		rm -f $end
		loader soak --until $end --count 20 --only handmade,random >/tmp/load0 2>&1 &
		loads=($!)
		classic until $end 3 >/tmp/load1 2>&1 &
		loads+=($!)
		for ((i = 0; i < (count + 1) / 2; i++)); do
			if ! { $enable && $disable; } >/tmp/out 2>&1; then
				echo "not ok transition $done"
				tail -n 5 /tmp/out
				failed=$((failed + 1))
				break
			fi
			((++done % 10)) || say "$done of $count, $((SECONDS - begin)) s, $(available) kB available"
			# After the first ones, caches are as they stay.
			((first)) || first=$(available)
		done
		touch $end
		check "programs were the same throughout, harden $harden" wait "${loads[0]}"
		check "filters did what they say throughout, harden $harden" wait "${loads[1]}"
		say "harden $harden: $(sed -nE 's/^(not )?ok 1 soak: //p' /tmp/load0), $(tail -n 1 /tmp/load1)"
		grep -E '^# ' /tmp/load0 | head -n 5
	done
	echo 0 >/proc/sys/net/core/bpf_jit_harden
	last=$(available)
	echo "@json {\"transitions\":{\"count\":$done,\"first_kb\":$first,\"last_kb\":$last}}"
	check "memory is flat" test $((first - last)) -lt 20000
}
