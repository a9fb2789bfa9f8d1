#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static_branch.sh OUT LOADER PROGS: the tests of the series of static branches.
#
# PROGRAMS: random programs. SWITCHES: switches while all CPUs run the program. With REFUSAL=1
# only that a program is refused without the JIT, on a kernel that can do without it.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
failed=()
# Leaves out all parts of the loader that no later argument asks for.
bare=("$loader" switch --repeat 0 --switches 0 --seconds 0)

if [[ -n ${REFUSAL:-} ]]; then
	./test_progs -a bpf_static_branch/refused-without-jit || failed+=(test_progs)
	grep -q 'bpf_static_branch/refused-without-jit:OK' "$out/log" || failed+=(skipped)
	"${bare[@]}" || failed+=(loader)
	echo "refused without the JIT; failed: ${failed[*]:-none}"
	((${#failed[@]} == 0))
	exit
fi

./test_progs -w 1200 -a bpf_static_branch,bpf_insn_array,bpf_gotox || failed+=(test_progs)

# As many as there are, each as a privileged user, and some as another one.
tests=$(grep -c '^[[:space:]]"static branch: ' verifier/static_branch.c)
./test_verifier | grep -E '^#[0-9]+/[pu] static branch' >"$out/verifier"
cat "$out/verifier"
! grep -v ' OK' "$out/verifier" && grep -q '^#[0-9]*/u' "$out/verifier" &&
	((tests && $(grep -c '^#[0-9]*/p' "$out/verifier") == tests)) || failed+=(test_verifier)

"$loader" run --only branches --seed 1 --count "$PROGRAMS" --every 100 || failed+=(branches)
"$loader" switch --progs "$progs" --switches "$SWITCHES" || failed+=(switch)
# Before mistakes are planted.
said="$(wc -l <"$out/verifier") of test_verifier; $(sed -nE 's/^ok 1 [a-z]+: //p' "$out/log" | paste -sd';')"

# plant WRONG COMMAND...: runs a part of the loader with switches left out. It has to notice: its results have WRONG,
# and nothing else happened.
plant() {
	local wrong=$1 status=0
	shift
	"$@" >"$out/plant" 2>&1 || status=$?
	cat "$out/plant"
	((status == 1)) && grep -q "^@json .$wrong:[1-9]" "$out/plant" || failed+=("plant $*")
}
plant '"static_branch":.*"wrong"' "${bare[@]}" --plant --switches 1000
plant '"summary":.*"differences"' "$loader" run --only branches --seed 1 --count 20 --plant switches
plant '"lifetime":.*"wrong"' "${bare[@]}" --plant --seconds 5
echo "$said; failed: ${failed[*]:-none}"
((${#failed[@]} == 0))
