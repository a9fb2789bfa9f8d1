#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # parts are called by their names
#
# trust.sh: what happens when something goes wrong (Documentation/trust.md). Each part ends with a line of the
# table. ONLY='<names>' runs these parts alone; FAULTS, RANDOM_PROGRAMS, KILLS say how much.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# A warning brings the kernel down, and so does what a sanitizer reports.
WATCH="loglevel=5 kunit.enable=0 panic_on_warn=1 bpf_patcher.verify_warn=1"
# What a sanitizer says that does not bring it down.
REPORTS='BUG: |WARNING: |UBSAN: |KASAN: |INFO: (possible|task|rcu)|possible recursive|suspicious RCU|panicked at'

# clean LOG: nothing was reported once the tests or the loader had begun. What User-mode Linux says of itself
# while it boots does not count.
clean() { ! sed -n '/^@json\|KTAP version/,$p' "$1" | grep -m 3 -E "$REPORTS"; }

# watched KIND NAME COMMAND...: has the loader run a command in a kernel that watches.
watched() {
	UML_TIMEOUT=${UML_TIMEOUT:-7200} UML_APPEND=$WATCH boot_loader "$@" || die "$2: status $?; log: $(log_path "$2")"
	clean "$(log_path "$2")" || die "$2: the kernel has something to say; log: $(log_path "$2")"
}

part_no_panic() { run "$TOP/scripts/checks/no-panic.sh"; }

part_hostile() { KUNIT_FILTER='bpf_patcher_hostile*' run "$TOP/scripts/run/kunit.sh"; }

part_faults() { FAULTS=${FAULTS:-500} UML_TIMEOUT=7200 run "$TOP/scripts/checks/trust.sh"; }

part_sanitizers() {
	local count=${RANDOM_PROGRAMS:-20000} said
	boot_prepare um-debug
	said=$(KUNIT_KIND=um-debug SESSIONS=${SESSIONS:-20000} UML_TIMEOUT=7200 run "$TOP/scripts/run/kunit.sh" | tee /dev/stderr | tail -n 1)
	clean "$TOP/results/kunit.log" || die "KUnit: the kernel has something to say; log: $TOP/results/kunit.log"
	watched um-debug trust-identity identity --verify
	watched um-debug trust-random random --verify --count "$count" --seed "${SEED:-1}"
	echo "$said; $(json_number trust-identity good) programs identical, $count random ones in" \
		"$(json_number trust-random verify_sessions) sessions as with stock: no report"
}

part_host() { run "$TOP/scripts/run/asan.sh"; }

part_kills() {
	boot_prepare um-fault
	watched um-fault trust-kills trust kills --count "${KILLS:-1000}"
	echo "$(json_number trust-kills killed) of $(json_number trust-kills loads) loads killed, gone within" \
		"$(json_number trust-kills slowest_ms) ms, half within $(json_number trust-kills median_ms) ms;" \
		"$(json_number trust-kills flips) changes of the mode meanwhile; nothing left behind"
}

part_groups() {
	boot_prepare um-fault
	watched um-fault trust-groups trust groups
	echo "a load that becomes a million insns fits a memory cgroup of $(json_number trust-groups needs_mib) MiB, and fails in smaller ones alone"
}

part_planted() {
	local dir line name kind file old new said good=0 bad=0 command log
	# shellcheck source=scripts/lib/plant.sh
	source "$TOP/scripts/lib/plant.sh"
	boot_prepare um-fault um-debug
	dir=$(partial_dir trust)
	while IFS= read -r line; do
		[[ -n $line && $line != \#* ]] || continue
		IFS=$'\x01' read -r name kind file old new said <<<"${line// | /$'\x01'}"
		[[ -z ${PLANT:-} || " $PLANT " == *" $name "* ]] || continue
		rm -rf "$dir/copy"
		mkdir "$dir/copy"
		cp -a "$TOP"/{Kbuild,Kconfig,configs,patches,rust,scripts,selftests} "$dir/copy/"
		plant "$dir/copy/$file" "$old" "$new" || die "$TOP/selftests/trust.list: $name no longer fits"
		note "$name: $file: $new"
		run "$dir/copy/scripts/build/kernel.sh" "$kind" || die "$name does not compile"
		command=(random --verify --count 300 --seed 1)
		[[ $kind != um-fault ]] || command=(trust faults --count 25)
		log=$(log_path "trust-planted-$name")
		UML_TIMEOUT=1200 UML_APPEND=$WATCH boot_loader "$kind" "trust-planted-$name" "${command[@]}" >/dev/null 2>&1 || true
		if grep -m 1 -E "$said" "$log"; then
			echo "noticed: $name"
			good=$((good + 1))
		else
			echo "NOT noticed: $name; log: $log"
			bad=$((bad + 1))
		fi
	done <"$TOP/selftests/trust.list"
	remove_tree "$dir"
	# The last kernels have faults: build good ones.
	boot_prepare um-fault um-debug
	# A copy of the engine on the host.
	[[ -n ${PLANT:-} ]] || run "$TOP/scripts/run/asan.sh" --plant
	echo "$good planted faults noticed, $bad not noticed"
	((good > 0 && bad == 0))
}
if [[ ${1:-} == --part ]]; then
	"part_$2"
	exit
fi

parts=(no_panic hostile faults sanitizers host kills groups planted)
lock_cache
mkdir -p "$TOP/results/trust"
table=() failed=0
for part in "${parts[@]}"; do
	name=${part/_/-} start=$SECONDS status=0
	[[ -z ${ONLY:-} || " $ONLY " == *" $name "* ]] || continue
	log=$TOP/results/trust/$name.log
	note "$name (log: $log)"
	run "$0" --part "$part" 2>&1 | tee "$log" | sed -unE '/^==> |^    /p' >&2 || status=${PIPESTATUS[0]}
	verdict=ok
	((status == 0)) || verdict=FAIL failed=1
	table+=("$(printf '%-4s  %-10s %6s  %s' "$verdict" "$name" "$(elapsed $((SECONDS - start)))" "$(tail -n 1 "$log" | cut -c1-160)")")
done
((${#table[@]})) || die "ONLY='${ONLY:-}' names none of: ${parts[*]//_/-}"
printf '%s\n' "${table[@]}" | tee "$TOP/results/trust/table.txt"
exit "$failed"
