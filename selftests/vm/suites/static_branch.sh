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
bare=("$loader" static-branch --repeat 0 --switches 0 --seconds 0 --programs 0)

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

"$loader" static-branch --progs "$progs" --seed 1 --programs "$PROGRAMS" --switches "$SWITCHES" || failed+=(loader)

# plant REPORT ARGUMENT...: runs the part of the loader that prints REPORT, with switches left out. It has to
# notice: something is wrong, and nothing else happened.
plant() {
	local report=$1 status=0
	shift
	"${bare[@]}" --plant "$@" >"$out/plant-$report" 2>&1 || status=$?
	cat "$out/plant-$report"
	((status == 1)) && grep -q "^@json .\"$report\":.*\"wrong\":[1-9]" "$out/plant-$report" || failed+=("plant-$report")
}

# number REPORT NAME: a number of the loader's first report of that name.
number() { sed -nE "s/^@json .\"$1\":.*\"$2\":([0-9]+).*/\1/p" "$out/log" | head -n 1; }
said="$(wc -l <"$out/verifier") of test_verifier, $(number random programs) random programs, \
$(number lifetime loads) lives, $(number static_branch switches) switches"

plant static_branch --switches 1000
plant random --seed 1 --programs 20
plant lifetime --seconds 5
echo "$said; failed: ${failed[*]:-none}"
((${#failed[@]} == 0))
