#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # parts are called by their names
#
# trust.sh: the checks of the promises in Documentation/trust.md. Each part ends with a line of the
# table. ONLY='<names>' runs these parts alone; FAULTS, FAULTS_JIT, RANDOM_PROGRAMS, KILLS, KILLS_JIT, UNPRIVILEGED say
# how many programs or loads, RESCHED how often each program is loaded, SESSIONS how many random ones of KUnit, SOAK how
# many seconds, TIME how many of the fuzzer. The long parts run two at a time.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

# A warning brings the kernel down, and so does a report of a sanitizer.
WATCH="loglevel=5 kunit.enable=0 panic_on_warn=1 bpf_patcher.verify_warn=1"

# booted LOG: the lines since the tests or the loader began. Messages of User-mode Linux about its boot do not count.
booted() { sed -n '/^@begin$\|KTAP version/,$p' "$1"; }
# clean LOG: nothing was reported.
clean() { [[ -s $1 ]] && booted "$1" | no_reports; }

# watched KIND NAME COMMAND...: has the loader run a check in a kernel that watches.
watched() {
	UML_TIMEOUT=${UML_TIMEOUT:-7200} UML_APPEND=$WATCH loader_check "$@"
	clean "$(log_path "$2")" || die "$2: the kernel has something to say; log: $(log_path "$2")"
}

part_no_panic() { run "$TOP/scripts/checks/no-panic.sh"; }

# kunit NAME: the variable NAME becomes how many cases of KUnit pass.
kunit() {
	local -n into=$1
	piped "$TOP/scripts/run/kunit.sh" | tee "$TOP/results/kunit.said"
	# shellcheck disable=SC2034 # the caller's
	into=$(sed -nE 's/^KUnit: ([0-9]+) cases passed.*/\1/p' "$TOP/results/kunit.said")
}

# From Rust, and from C in both modes. In mode verify, where a difference is a warning, which brings the kernel down.
VERIFY="bpf_patcher.mode=verify bpf_patcher.verify_warn=1 panic_on_warn=1"
part_hostile() {
	local rust c_verify c
	KUNIT_FILTER='bpf_patcher_hostile*' kunit rust
	KUNIT_FILTER='bpf_patcher_callers*' kunit c
	KUNIT_FILTER='bpf_patcher_callers*' KUNIT_APPEND=$VERIFY kunit c_verify
	echo "$rust cases in Rust, $c in C, and $c_verify in C in mode verify pass"
}

build_faults() { boot_prepare um-fault; }
part_faults() {
	build_faults
	watched um-fault trust-faults faults --count "${FAULTS:-500}"
	echo "$(said trust-faults): nothing left behind"
}

# What in_machine needs.
build_machine() {
	run "$TOP/scripts/build/loader.sh" && run "$TOP/scripts/build/progs.sh" && run "$TOP/scripts/setup/vm-root.sh" &&
		run "$TOP/scripts/build/vm-module.sh" vm-lean
}
# in_machine NAME COMMAND: has the loader run a command in a machine, which has a JIT: blinding, insn arrays, poke
# descriptors. The machine's kernels can let allocations fail, and have no kmemleak.
in_machine() {
	local name=$1 dir=$TOP/results/trust/$1 log status=0
	log=$(log_path "trust-$name")
	build_machine
	rm -rf "$dir"
	mkdir -p "$dir"
	: >"$dir/log"
	MODE=patcher VM_SUITES='' VM_RESULTS=$dir VM_TIMEOUT=${VM_TIMEOUT:-7200} VM_APPEND=panic_on_warn=1 \
		CMD="'$(loader_path)' $2 --no-leaks >'$dir/log'" beating "$name" "$dir/log" run "$TOP/scripts/run/vm.sh" vm-lean || status=$?
	mv "$dir/log" "$log"
	[[ -s $log ]] || die "the loader has not begun; the kernel's log: $dir/kernel.log"
	((status == 0)) || die "$name: status $status; logs: $log, $dir/kernel.log"
	no_reports <"$dir/kernel.log" || die "$name: the kernel has something to say; log: $dir/kernel.log"
}

build_faults_jit() { build_machine; }
part_faults_jit() {
	# The last allocations of each load, as it is slow.
	in_machine faults-jit "faults --count ${FAULTS_JIT:-110} --most 40 --progs '$(progs_path)'"
	echo "$(said trust-faults-jit): nothing left behind"
}

# In a machine whose clock counts executed instructions, so that it takes as long everywhere: 300 million instructions
# are 100 ms of a CPU that executes three in a nanosecond.
build_kills_jit() { build_machine; }
part_kills_jit() {
	VM_ICOUNT=1 in_machine kills-jit "kills --count ${KILLS_JIT:-60} --mode patcher --within-ms 20000 --in-session-within-ms 300"
	echo "in thousands of instructions: $(said trust-kills-jit)"
}

build_sanitizers() { boot_prepare um-debug; }
part_sanitizers() {
	local count=${RANDOM_PROGRAMS:-20000} cases append
	build_sanitizers
	append=$(kind_value um-debug append)
	KUNIT_KIND=um-debug KUNIT_APPEND=$append UML_TIMEOUT=7200 kunit cases
	WATCH+=" $append"
	watched um-debug trust-identity identical --modes stock,verify
	watched um-debug trust-random identical --only random --modes verify --count "$count" --seed "${SEED:-1}"
	echo "KUnit: $cases cases; $(said trust-identity); $(said trust-random): no report"
}

# The kernel's own test suites, with the JIT and lockdep.
# One machine at a time, as another part runs beside it.
part_suites() { ONLY='' MACHINES=1 run "$TOP/scripts/run/selftests.sh" debug; }

# PROPTEST_CASES: cases of each property.
build_host() { boot_prepare um; }
part_host() { PROPTEST_CASES=${PROPTEST_CASES:-20000} run "$TOP/scripts/run/host-sanitizers.sh"; }

part_kills() {
	boot_prepare um-fault
	watched um-fault trust-kills kills --count "${KILLS:-1000}"
	said trust-kills
}

part_groups() {
	boot_prepare um-fault
	watched um-fault trust-groups soak --groups
	UML_APPEND=$WATCH loader_refuses '"bystander_loads":null.*"good":false' um-fault trust-groups-plant soak --groups --plant
	said trust-groups
}

part_edges() {
	boot_prepare um
	watched um trust-edges identical --only edges --modes stock,patcher,verify
	said trust-edges
}

part_unprivileged() {
	boot_prepare um
	watched um trust-unprivileged guards --count "${UNPRIVILEGED:-5000}"
	watched um trust-unprivileged-few guards --count 20
	UML_APPEND=$WATCH loader_refuses '"bad":[1-9]' um trust-unprivileged-plant guards --count 20 --plant
	said trust-unprivileged
}

# Under PREEMPT_NONE too.
part_resched() {
	local kind
	boot_prepare um um-none
	for kind in um um-none; do watched "$kind" "trust-resched-$kind" resched --rounds "${RESCHED:-5}"; done
	echo "$(said trust-resched-um); with PREEMPT_NONE $(said trust-resched-um-none)"
}

build_soak() { boot_prepare um-fault; }
part_soak() {
	local seconds=${SOAK:-3600}
	build_soak
	UML_TIMEOUT=$((seconds + 1800)) watched um-fault trust-soak soak --seconds "$seconds"
	echo "$(said trust-soak) in $seconds s; each round counts the same; nothing left behind"
}

# Faults of trust.list that are to be planted, one a line; fields are separated by \x01.
plants() {
	local line
	while IFS= read -r line; do
		[[ -n $line && $line != \#* ]] || continue
		[[ -z ${PLANT:-} || " $PLANT " == *" ${line%% | *} "* ]] || continue
		echo "${line// | /$'\x01'}"
	done <"$TOP/selftests/trust.list"
}

# try KIND NAME COMMAND...: has the loader run a command of trust.list, or KUnit the tests of `kunit FILTER` or, in mode
# verify, `kunit-verify FILTER`. In a shell of its own, as a kernel that dies ends it.
try() {
	local kind=$1 name=$2 append=$WATCH dir=${COPY:-$TOP}
	shift 2
	case $1 in
	kunit | kunit-verify)
		[[ $1 == kunit ]] && append='' || append=$VERIFY
		(
			cd "$dir"
			KUNIT_KIND=$kind KUNIT_FILTER=$2 KUNIT_APPEND=$append run scripts/run/kunit.sh
		)
		;;
	*)
		append+=" $(kind_value "$kind" append)"
		(UML_TIMEOUT=1200 UML_APPEND=$append boot_loader "$kind" "$name" "$@") && clean "$(log_path "$name")"
		;;
	esac
}

part_planted() {
	local dir name kind command file old new said good=0 bad=0 log kinds words
	# shellcheck source=scripts/lib/plant.sh
	source "$TOP/scripts/lib/plant.sh"
	mapfile -t kinds < <(plants | cut -d $'\x01' -f 2 | sort -u)
	boot_prepare "${kinds[@]}"
	# What fails anyhow notices nothing.
	while IFS=$'\x01' read -r kind command; do
		read -ra words <<<"$command"
		try "$kind" trust-planted-none "${words[@]}" || die "$kind: $command fails without a fault"
	done < <(plants | cut -d $'\x01' -f 2,3 | sort -u)
	dir=$(partial_dir trust)
	while IFS=$'\x01' read -r name kind command file old new said; do
		rm -rf "$dir/copy"
		mkdir "$dir/copy"
		cp -a "$TOP"/{Kbuild,Kconfig,configs,kernels,patches,rust,scripts,selftests} "$dir/copy/"
		plant "$dir/copy/$file" "$old" "$new" || die "$TOP/selftests/trust.list: $name no longer fits"
		note "$name: $file: $new"
		# From there: the tool root has the checkout that its script is of, and no other.
		(cd "$dir/copy" && run scripts/build/kernel.sh "$kind") || {
			echo "NOT noticed: $name does not compile"
			bad=$((bad + 1))
			continue
		}
		read -ra words <<<"$command"
		log=$(log_path "trust-planted-$name")
		rm -f "$log"
		if COPY=$dir/copy try "$kind" "trust-planted-$name" "${words[@]}" >/dev/null 2>&1; then
			echo "NOT noticed: $name; log: $log"
			bad=$((bad + 1))
			continue
		fi
		[[ $command != kunit* ]] || cp "$dir/copy/results/kunit.log" "$log"
		if booted "$log" | grep -E "$said" | sed -n 1p; then
			echo "noticed: $name"
			good=$((good + 1))
		else
			echo "NOT noticed: $name fails in other words; log: $log"
			bad=$((bad + 1))
		fi
	done < <(plants)
	remove_tree "$dir"
	# The last kernels have faults: build good ones.
	boot_prepare "${kinds[@]}"
	# A copy of the engine on the host.
	[[ -n ${PLANT:-} ]] || run "$TOP/scripts/run/host-sanitizers.sh" --plant
	echo "$good planted faults noticed, $bad not noticed"
	((good > 0 && bad == 0))
}

# Parts whose figures are times, or that build kernels with faults; then those that run two at a time, the longest
# ones first.
alone=(no_panic hostile edges unprivileged resched groups kills planted)
beside=(suites faults soak faults_jit kills_jit sanitizers host)

# one PART: runs a part, and leaves its line of the table.
one() {
	local name=${1//_/-} start=$SECONDS status=0 verdict=ok log
	log=$TOP/results/trust/$name.log
	note "$name (log: $log)"
	piped "$0" --step "part_$1" 2>&1 | tee "$log" | sed -unE '/^==> |^    /p' >&2 || status=${PIPESTATUS[0]}
	((status == 0)) || verdict=FAIL
	printf '%-4s  %-12s %7s  %s\n' "$verdict" "$name" "$(elapsed $((SECONDS - start)))" "$(tail -n 1 "$log" | cut -c1-160)" \
		>"$TOP/results/trust/$name.row"
	note "$name: $verdict"
}

dispatch_step "$@"

# wanted PART: does ONLY name it?
wanted() { [[ -z ${ONLY:-} || " $ONLY " == *" ${1//_/-} "* ]]; }

names=$(tr _ - <<<"${alone[*]} ${beside[*]}")
for name in ${ONLY:-}; do [[ " $names " == *" $name "* ]] || die "ONLY has '$name'; there are: $names"; done
lock_cache
mkdir -p "$TOP/results/trust"
rows=()
for part in "${alone[@]}" "${beside[@]}"; do ! wanted "$part" || rows+=("$TOP/results/trust/${part//_/-}.row"); done
rm -f "$TOP"/results/trust/{*.row,table.txt}
start=$SECONDS
for part in "${alone[@]}"; do ! wanted "$part" || one "$part"; done
# What they build, one after the other, as they have one lock between them. A build that fails is told in its part.
for part in "${beside[@]}"; do
	! wanted "$part" || ! declare -F "build_$part" >/dev/null || ("build_$part") || true
done
for part in "${beside[@]}"; do
	wanted "$part" || continue
	while (($(jobs -rp | wc -l) >= 2)); do wait -n || true; done
	piped "$0" --step one "$part" &
done
wait
# A part that was killed has left none.
{ cat "${rows[@]}" && echo "$((${#rows[@]})) parts in $(elapsed $((SECONDS - start)))"; } | tee "$TOP/results/trust/table.txt"
! grep -q '^FAIL' "$TOP/results/trust/table.txt"
