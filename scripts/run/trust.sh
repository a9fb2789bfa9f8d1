#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # parts are called by their names
#
# trust.sh: what happens when something goes wrong (Documentation/trust.md). Each part ends with a line of the
# table. ONLY='<names>' runs these parts alone; FAULTS, RANDOM_PROGRAMS, KILLS, UNPRIVILEGED say how many programs or
# loads, SESSIONS how many random ones of KUnit, SOAK how many seconds, TIME how many of the fuzzer.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# A warning brings the kernel down, and so does what a sanitizer reports.
WATCH="loglevel=5 kunit.enable=0 panic_on_warn=1 bpf_patcher.verify_warn=1"
# What makes um-debug quick. To take a stack trace is what takes most of the time there: KASAN takes those of its
# reports, so that kmemleak and SLUB need none. Leaks are looked for in um-fault.
QUICK="kmemleak=off slab_debug=FZP"

# clean LOG: nothing was reported once the tests or the loader had begun. What User-mode Linux says of itself
# while it boots does not count.
clean() { ! sed -n '/^@json\|KTAP version/,$p' "$1" | grep -m 3 -E "$KERNEL_REPORTS"; }

# watched KIND NAME COMMAND...: has the loader run a command in a kernel that watches.
watched() {
	UML_TIMEOUT=${UML_TIMEOUT:-7200} UML_APPEND=$WATCH boot_loader "$@" || die "$2: status $?; log: $(log_path "$2")"
	clean "$(log_path "$2")" || die "$2: the kernel has something to say; log: $(log_path "$2")"
}

part_no_panic() { run "$TOP/scripts/checks/no-panic.sh"; }

# From Rust, and from C in both modes.
part_hostile() {
	local rust c_verify c
	# kunit LINE: how many cases passed.
	kunit() { run "$TOP/scripts/run/kunit.sh" | tee /dev/stderr | sed -nE 's/^KUnit: ([0-9]+) cases passed.*/\1/p'; }
	rust=$(KUNIT_FILTER='bpf_patcher_hostile*' kunit)
	c=$(KUNIT_FILTER='bpf_patcher_callers*' kunit)
	c_verify=$(KUNIT_FILTER='bpf_patcher_callers*' KUNIT_APPEND=bpf_patcher.mode=verify kunit)
	echo "$rust cases in Rust, $c in C, and $c_verify in C in mode verify pass"
}

part_faults() { FAULTS=${FAULTS:-500} UML_TIMEOUT=7200 run "$TOP/scripts/checks/trust.sh"; }

part_sanitizers() {
	local count=${RANDOM_PROGRAMS:-20000} said
	boot_prepare um-debug
	said=$(KUNIT_KIND=um-debug KUNIT_APPEND=$QUICK SESSIONS=${SESSIONS:-20000} UML_TIMEOUT=7200 run "$TOP/scripts/run/kunit.sh" |
		tee /dev/stderr | tail -n 1)
	WATCH+=" $QUICK"
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
	echo "$(json_number trust-kills killed) of $(json_number trust-kills loads) loads killed," \
		"$(json_number trust-kills in_session) in a session; gone within $(json_number trust-kills slowest_us) us, half" \
		"within $(json_number trust-kills median_us); $(json_number trust-kills flips) changes of the mode; nothing left behind"
}

part_groups() {
	boot_prepare um-fault
	watched um-fault trust-groups trust groups
	! UML_APPEND=$WATCH boot_loader um-fault trust-groups-plant trust groups --plant || die "a bystander that is killed is not missed"
	echo "a load that becomes a million insns fits a memory cgroup of $(json_number trust-groups needs_mib) MiB, and fails in" \
		"smaller ones; a bystander loads $(json_number trust-groups bystander_loads) programs meanwhile"
}

part_edges() {
	boot_prepare um
	watched um trust-edges trust edges
	echo "$(json_number trust-edges fit) programs just fit and $(json_number trust-edges do_not) just do not, alike in all modes"
}

part_unprivileged() {
	boot_prepare um
	watched um trust-unprivileged trust unprivileged --count "${UNPRIVILEGED:-5000}"
	! UML_APPEND=$WATCH boot_loader um trust-unprivileged-plant trust unprivileged --count 20 --plant ||
		die "a guard that is lost is not missed"
	echo "$(json_number trust-unprivileged loaded) programs: $(json_number trust-unprivileged guards) guards against" \
		"speculation at the same places; the longest takes $(json_number trust-unprivileged longest_stock_us) us in" \
		"stock, $(json_number trust-unprivileged longest_patcher_us) in patcher"
}

part_soak() {
	local seconds=${SOAK:-3600}
	boot_prepare um-fault
	UML_TIMEOUT=$((seconds + 1800)) watched um-fault trust-soak trust soak --seconds "$seconds"
	echo "$(json_number trust-soak loads) loads in $seconds s: $(json_number trust-soak least_kib) to" \
		"$(json_number trust-soak most_kib) KiB in use; each round counts the same; nothing left behind"
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
		# From there: the tool root has the checkout that its script is of, and no other.
		(cd "$dir/copy" && run scripts/build/kernel.sh "$kind") || {
			echo "NOT noticed: $name does not compile"
			bad=$((bad + 1))
			continue
		}
		command=(random --verify --count 300 --seed 1)
		[[ $kind != um-fault ]] || command=(trust faults --count 25)
		log=$(log_path "trust-planted-$name")
		# In a shell of its own, as a kernel that dies ends it.
		(UML_TIMEOUT=1200 UML_APPEND="$WATCH $([[ $kind != um-debug ]] || echo "$QUICK")" boot_loader "$kind" "trust-planted-$name" \
			"${command[@]}") >/dev/null 2>&1 || true
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

parts=(no_panic hostile edges unprivileged groups faults kills host sanitizers planted soak)
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
