#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh [PART...]: the benchmark. Writes results/bench.json, bench.md and charts, and prints tables. Parts:
#   programs  all programs of the kernel's selftests, in executed instructions
#   blinded   the scale tests among them with net.core.bpf_jit_harden=2, in executed instructions
#   families  synthetic programs of N edits of a kind, in executed instructions
#   time      the same in time: User-mode Linux, or with ACCEL=kvm the virtual machine
#   memory    allocations of rewriting
#   engine    the engine alone on the host, in time and in executed instructions
#   carrying  the cost of the series without the module: all programs, in executed instructions, against the unpatched
#             kernel, which is built for it; only if it is named
# The raw output of a part that was not named stays from an earlier run.
# bench.sh short: some programs and families, for `make test`; its results are results/bench-short/*.
#
# Instructions are counted by QEMU: one CPU, emulated, whose clock is the number of instructions it has
# executed. MACHINES (2): how many machines run at a time. MAX (195000): the largest N of the families; STOCK_MAX
# (1000): the largest one that is counted in mode stock too.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"
# shellcheck source=scripts/lib/engine-on-host.sh
source "$(dirname "$0")/../lib/engine-on-host.sh"

# Edits of a session, and how often it is timed.
ENGINE_SIZES=(1000:500 999000:7)
# What is loaded blinded; in mode stock this takes quadratic time.
BLINDED=(pyperf50 test_verif_scale1 test_verif_scale2 test_verif_scale3 core_kern loop1 loop4 loop5 strobemeta_nounroll1
	bpf_flow test_cls_redirect test_l4lb test_xdp_noinline xdpwall test_tcp_hdr_options bpf_cubic)
SHORT_OBJECTS=(pyperf50 bpf_cubic test_sk_lookup)
SHORT_FAMILIES=(--only "context,nops,blinding" --n 1000 --rounds 3)

# The machine's kernel and the module's mode.
kind=vm-lean mode=patcher

# counted NAME COMMAND...: runs a command in a machine that counts instructions.
counted() { VM_ICOUNT=1 machine "$@"; }

# machine NAME COMMAND...: runs a command in a machine.
machine() {
	local name=$1 log=$raw/$1.console start=$SECONDS status=0
	shift
	mkdir -p "$raw/$name"
	: >"$log"
	beating "$name" "$log" logged "$log" env MODE="$mode" VM_SUITES=progs VM_RESULTS="$raw/$name" \
		VM_TIMEOUT="${VM_TIMEOUT:-14400}" CMD="$*" "$TOP/scripts/run/vm.sh" "$kind" || status=$?
	((status == 0)) || {
		tail -n 5 "$log" | sed 's/^/    | /' >&2
		die "$name: status $status; log: $log"
	}
	note "$name: $(elapsed $((SECONDS - start)))"
}

# loads NAME HARDEN ROUNDS OBJECT...: the programs of these objects in both modes, or of all, shared among
# machines. With MEMORY=1, their allocations, without counting instructions.
loads() {
	local name=$1 harden=$2 rounds=$3 machines=${MACHINES:-2} i pids=() status=0 counted=counted
	[[ -z ${MEMORY:-} ]] || counted=machine
	shift 3
	# What an earlier run with more machines has left.
	rm -rf "$raw/$name".[0-9]*
	for ((i = 0; i < machines; i++)); do
		"$counted" "$name.$i" "HARDEN=$harden ROUNDS=$rounds ${MEMORY:+MEMORY=1} ${AS_IS:+AS_IS=$AS_IS} bash '$TOP/selftests/vm/suite.sh' '$raw/$name.$i' both_modes '$(both_modes_path)' $i/$machines ${*/%/.bpf.o}" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || status=1; done
	((status == 0)) || exit 1
	cat "$raw/$name".[0-9]*/loads.jsonl >"$raw/$name.loads"
}

part_programs() { loads programs 0 8; }
part_blinded() { loads blinded 2 1 "${BLINDED[@]}"; }
part_families() {
	counted families "'$(loader_path)' measure --max ${MAX:-195000} --stock-max ${STOCK_MAX:-1000} --rounds 1 >'$raw/families/log'"
	mv "$raw/families/log" "$raw/families.insns.log"
}
part_time() {
	if [[ ${ACCEL:-} == kvm ]]; then
		mkdir -p "$raw/time"
		run env MODE=patcher VM_SUITES= VM_RESULTS="$raw/time" VM_TIMEOUT="${VM_TIMEOUT:-14400}" \
			CMD="'$(loader_path)' measure --max ${MAX:-195000} >'$raw/time/log'" "$TOP/scripts/run/vm.sh" vm-lean
		mv "$raw/time/log" "$raw/families.time.log"
	else
		export UML_TIMEOUT=${UML_TIMEOUT:-3600}
		boot_loader um bench-time measure --max "${MAX:-195000}"
		cp "$(log_path bench-time)" "$raw/families.time.log"
	fi
}
part_memory() {
	MEMORY=1 loads memory 0 1
	# It is appended to.
	rm -rf "$raw/memory.families"
	# Ten thousand edits, which take minutes in mode stock.
	machine memory.families "cd /tmp && for family in context divmod ld_abs dead_code nops blinding zext; do
		LD_PRELOAD='$(both_modes_path)' BOTH_MODES_OUT='$raw/memory.families/loads.jsonl' BOTH_MODES_MEMORY=1 BOTH_MODES_LABEL=family \
			'$(loader_dynamic_path)' measure --only \$family --n 10000 --stock-max 0 --rounds 1 || exit
	done"
	cat "$raw/memory.families/loads.jsonl" "$raw/memory.loads" >"$raw/memory.jsonl"
}
# size_of KIND: the sizes of the kernel and of the verifier's allocation for each load, in bytes. Each crate has that
# structure once more.
size_of() {
	local vmlinux
	vmlinux=$(kernel_path "$1")/vmlinux
	run "$TOP/scripts/setup/inroot.sh" size "$vmlinux" | awk 'NR == 2 { printf "{\"text\": %d, \"data\": %d, \"bss\": %d, ", $1, $2, $3 }'
	run "$TOP/scripts/setup/inroot.sh" pahole --sizes "$vmlinux" | awk '$1 == "bpf_verifier_env" && !n++ { printf "\"env\": %d}", $2 }'
}
part_carrying() {
	local mode=none kind
	run "$TOP/scripts/build/vm-selftests.sh" vm-stock progs
	kind=vm-stock AS_IS=unpatched loads carrying.unpatched 0 8
	kind=vm-lean AS_IS=series loads carrying.series 0 8
	cat "$raw"/carrying.{unpatched,series}.loads >"$raw/carrying.jsonl"
	printf '{"unpatched": %s, "series": %s}\n' "$(size_of vm-stock)" "$(size_of vm-lean)" >"$raw/carrying.json"
}
part_engine() {
	local size bench edits
	host_prepare
	cd "$HOST_CRATE"
	host_cargo bench cargo build --quiet --locked --jobs "$JOBS" --profile bench --bin bench
	bench=$(host_target)/bench/release/bench
	rm -rf "$raw/engine"
	mkdir -p "$raw/engine"
	for size in "${ENGINE_SIZES[@]}"; do
		edits=${size%:*}
		note "the engine alone, $edits edits"
		host_cargo bench env GLIBC_TUNABLES="$HOST_MALLOC" "$bench" "$edits" "${size#*:}" >"$raw/engine/$edits.ns"
		host_cargo bench valgrind --quiet --tool=callgrind --callgrind-out-file="$(host_target)/callgrind.out" "$bench" "$edits" 1 >/dev/null
		host_cargo bench callgrind_annotate --inclusive=yes --threshold=100 "$(host_target)/callgrind.out" >"$raw/engine/$edits.callgrind" 2>/dev/null
	done
	cd "$TOP"
	run python3 "$TOP/scripts/report/bench_engine.py" "$raw/engine" >"$raw/engine.json"
}

out=$TOP/results raw=$TOP/results/bench report=(report)
all=(programs blinded families time memory engine)
parts=("$@")
((${#parts[@]})) || parts=("${all[@]}") report+=(--complete)
[[ ${parts[*]} == short ]] || for part in "${parts[@]}"; do
	[[ " ${all[*]} carrying " == *" $part "* ]] || die "there is no part '$part'; there are ${all[*]}, carrying, and short"
done

run "$TOP/scripts/setup/host-packages.sh"
lock_cache
run "$TOP/scripts/build/loader.sh"
run "$TOP/scripts/build/both-modes.sh"
if [[ ${parts[*]} != engine && ${parts[*]} != time ]]; then
	run "$TOP/scripts/setup/vm-root.sh"
	run "$TOP/scripts/build/vm-module.sh" vm-lean
	run "$TOP/scripts/build/vm-selftests.sh" vm-lean progs
fi
[[ " ${parts[*]} " != *" memory "* ]] || run "$TOP/scripts/build/loader.sh" dynamic
[[ " ${parts[*]} " != *" time "* || ${ACCEL:-} == kvm ]] || boot_prepare um
pin_source_key

if [[ ${parts[*]} == short ]]; then
	out=$TOP/results/bench-short raw=$out/raw
	rm -rf "$out"
	mkdir -p "$raw"
	counted short "HARDEN=0 ROUNDS=2 bash '$TOP/selftests/vm/suite.sh' '$raw/short' both_modes '$(both_modes_path)' 0/1 ${SHORT_OBJECTS[*]/%/.bpf.o} &&
		'$(loader_path)' measure ${SHORT_FAMILIES[*]} >'$raw/short/families'"
	mv "$raw/short/families" "$raw/families.insns.log"
	mv "$raw/short/loads.jsonl" "$raw/programs.loads"
else
	mkdir -p "$raw"
	for part in "${parts[@]}"; do "part_$part"; done
fi
cat "$raw"/{programs,blinded}.loads >"$raw/programs.jsonl" 2>/dev/null || [[ -s $raw/programs.jsonl ]] || rm -f "$raw/programs.jsonl"
release=$(sed -nE 's/^@json \{"kernel".*"release":"([^"]+)".*/\1/p' "$raw"/families.*.log 2>/dev/null | head -n 1 || true)
run python3 "$TOP/scripts/report/bench.py" machine --kernel "$release" >"$raw/machine.json"
exec python3 "$TOP/scripts/report/bench.py" "${report[@]}" --in "$raw" --out "$out"
