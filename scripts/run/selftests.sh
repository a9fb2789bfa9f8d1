#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# selftests.sh [all|ci|debug]: runs the kernel's own test suites in virtual machines, in modes stock, patcher
# and verify, and compares the results with those of stock, test by test. Writes results/selftests.{json,md},
# or results/selftests-{ci,debug}.{json,md}. A run that has ended is kept while kernel, module and suite are the
# same, so that an interrupted selftests.sh resumes. `all` takes hours, `ci` is the part for `make test`; `debug`
# has a kernel with sanitizers, for `make trust`.
#
# ONLY='<names>': only these runs. MACHINES (2): how many machines run at a time.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

results_path() { echo "$TOP/results/selftests/$1"; }

# run_modes PLAN SUITE: the modes of a run. Mode verify compares with stock itself, so that `ci` can do
# without a run in mode stock.
run_modes() {
	case $1/$2 in
	# Blinded, one of its tests fails in mode stock too.
	debug/test_verifier) echo stock verify ;;
	debug/*) echo verify ;;
	*/module | */unload | */loader | ci/test_progs) echo patcher ;;
	all/*) echo stock patcher verify ;;
	ci/veristat) echo verify ;;
	ci/test_verifier) echo stock patcher verify ;;
	esac
}

# suites_set PLAN KIND: the suites that have to be built.
suites_set() {
	case $1/$2 in
	ci/vm-lean | debug/*) echo progs ;;
	all/vm-lean) echo all ;;
	*) echo base ;;
	esac
}

# A version of the contract that the kernel has to refuse.
OTHER_CONTRACT=$(($(contract_version) + 1))

# Prints the runs, `NAME KIND SUITE ARGUMENT...` a line. The parts of a name say flavour and sysctls.
all_runs() {
	local flavour harden
	echo "test_verifier vm test_verifier"
	echo "test_verifier.interpreter vm-interp test_verifier"
	for harden in "" .harden2; do echo "veristat$harden vm-lean veristat"; done
	# JIT-HARDEN: 0-* needs an interpreter, and so does a program that the JIT gives up.
	echo "test_kmod vm-lean test_kmod 1-0 1-1 1-2"
	echo "test_kmod.interpreter vm-interp test_kmod 0-0 1-2"
	echo "test_maps vm-lean test_maps"
	echo "bpf_offload vm-lean bpf_offload"
	for flavour in "" no_alu32 cpuv4; do echo "test_progs${flavour:+-$flavour} vm-lean test_progs $flavour"; done
	# Where there is an interpreter, the JIT may give up.
	echo "loader vm-lean loader $(loader_path) $(progs_path)"
	echo "loader-fallback vm-interp loader $(loader_path) $(progs_path)"
	echo "module vm module $(vm_module_path vm "$OTHER_CONTRACT")/bpf_patcher.ko $OTHER_CONTRACT $(contract_version)"
	echo "unload vm unload $(loader_path) 1000"
}

# The runs that `make test` has time for.
ci_runs() {
	echo "test_progs vm-lean test_progs"
	echo "veristat vm-lean veristat"
	echo "test_verifier vm-lean test_verifier"
	echo "loader vm-lean loader $(loader_path) $(progs_path)"
	echo "unload vm-lean unload $(loader_path) 40"
	echo "module vm-lean module $(vm_module_path vm-lean "$OTHER_CONTRACT")/bpf_patcher.ko $OTHER_CONTRACT $(contract_version)"
}

# What rewrites, with sanitizers.
debug_runs() {
	echo "test_progs vm-debug test_progs"
	echo "veristat vm-debug veristat"
	echo "test_verifier vm-debug test_verifier"
	echo "loader vm-debug loader $(loader_path) $(progs_path)"
}

# What the kernels of machines that died have said. The report reads it too: a test that brought one down may pass
# when it runs alone.
EARLIER=kernel.log.earlier
keep_kernel_log() { cat "$1/kernel.log" >>"$1/$EARLIER" 2>/dev/null || true; }

# one PLAN NAME KIND MODE SUITE [ARGUMENT...]: runs a suite in a machine. If its kernel dies in test_progs,
# the next machine continues after the test that it died in.
one() {
	local plan=$1 name=$2 kind=$3 mode=$4 suite=$5 dir key start=$SECONDS status=125 beat env=()
	local inputs=("$TOP"/selftests/vm/*.sh "$TOP/selftests/vm/suites/$suite.sh" "$TOP/scripts/run/vm.sh")
	shift 5
	dir=$(results_path "$plan")/$name/$mode
	[[ $name != *.harden2* ]] || env+=(HARDEN=2)
	[[ $name != *.interpreter* ]] || env+=(JIT=0)
	[[ $suite != test_progs ]] || inputs+=("$TOP/selftests/vm/ci.tests")
	[[ " $* " != *" $(loader_path) "* ]] || inputs+=("$TOP/selftests/loader")
	key=$( (kernel_path "$kind" && kernel_stamp "$kind" && module_stamp && hash_tree "${inputs[@]}" && echo "${env[*]} $*") | short_hash)
	if [[ $(cat "$dir/key" 2>/dev/null) != "$key" ]]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		echo "$key" >"$dir/key"
	fi
	[[ ! -f $dir/stamp ]] || return 0
	[[ $plan == all || $suite != test_progs ]] || without_comments "$TOP/selftests/vm/ci.tests" >"$dir/tests"
	note "$name, mode $mode (log: $dir/log)"
	: >"$dir/console"
	# An interrupted run may have left both. What was running then did not crash.
	rm -f "$dir/running"
	if [[ $suite == test_progs ]]; then keep_kernel_log "$dir"; else rm -f "$dir/$EARLIER"; fi
	heartbeat "$name, mode $mode" "$dir/console" "$start" &
	beat=$!
	for _ in 1 2 3 4 5; do
		run env MODE="$mode" VM_RESULTS="$dir" VM_TIMEOUT="${VM_TIMEOUT:-36000}" VM_SUITES="$(suites_set "$plan" "$kind")" \
			CMD="uname -r >'$dir/release'; ${env[*]} bash '$TOP/selftests/vm/suite.sh' '$dir' $suite $*" \
			"$TOP/scripts/run/vm.sh" "$kind" >>"$dir/console" 2>&1 </dev/null && status=0 && break
		status=$?
		keep_kernel_log "$dir"
		# The machine died; only test_progs can resume.
		[[ $status == 125 && $suite == test_progs ]] || break
	done
	kill "$beat" 2>/dev/null || true
	wait "$beat" 2>/dev/null || true
	if ((status)); then
		note "$name, mode $mode: could not be run ($status)"
		tail -n 5 "$dir/console" | sed 's/^/    | /' >&2
		return 0
	fi
	echo $((SECONDS - start)) >"$dir/seconds"
	touch "$dir/stamp"
	note "$name, mode $mode: $(elapsed $((SECONDS - start)))"
}

dispatch_step "$@"

plan=${1:-all}
[[ $plan =~ ^(all|ci|debug)$ ]] || die "usage: selftests.sh [all|ci|debug]"
[[ $(df -Pm "$TOP" | awk 'NR == 2 { print $4 }') -ge 500 ]] || die "$TOP needs 500 MiB of disk for the results"

lock_cache
run "$TOP/scripts/setup/vm-root.sh"
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/progs.sh"
pin_source_key
mapfile -t runs < <("${plan}_runs")
args=() jobs=() kinds=()
for line in "${runs[@]}"; do
	read -r name kind suite arguments <<<"$line"
	[[ -z ${ONLY:-} || " $ONLY " == *" $name "* ]] || continue
	read -ra wanted < <(run_modes "$plan" "$suite")
	args+=(--run "$name $suite ${wanted[*]}")
	[[ " ${kinds[*]} " == *" $kind "* ]] || kinds+=("$kind")
	for mode in "${wanted[@]}"; do jobs+=("$name $kind $mode $suite $arguments"); done
done
((${#jobs[@]})) || die "ONLY='$ONLY' names none of the runs: $(printf '%s\n' "${runs[@]}" | cut -d ' ' -f 1 | paste -sd ' ')"
for kind in "${kinds[@]}"; do
	run "$TOP/scripts/build/vm-module.sh" "$kind"
	[[ $plan == debug ]] || run "$TOP/scripts/build/vm-module.sh" "$kind" "$OTHER_CONTRACT"
	run "$TOP/scripts/build/vm-selftests.sh" "$kind" "$(suites_set "$plan" "$kind")"
done

for job in "${jobs[@]}"; do
	while (($(jobs -rp | wc -l) >= ${MACHINES:-2})); do wait -n || true; done
	read -ra words <<<"$job"
	piped "$0" --step one "$plan" "${words[@]}" &
done
wait

out=$TOP/results/selftests
[[ $plan == all ]] || out+=-$plan
commit=$(git -C "$TOP" describe --always --dirty 2>/dev/null || echo unknown)
exec python3 "$TOP/scripts/report/selftests_report.py" "$(results_path "$plan")" "${args[@]}" --commit "$commit" --out "$out"
