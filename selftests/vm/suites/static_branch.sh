#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static_branch.sh OUT LOADER PROGS: the tests of the series of static branches.
#
# PROGRAMS: so many random programs.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
failed=()
./test_progs -w 1200 -a bpf_static_branch,bpf_insn_array,bpf_gotox || failed+=(test_progs)
./test_verifier | grep -E '^#[0-9]+/[pu] static branch' >"$out/verifier"
cat "$out/verifier"
! grep -v ' OK' "$out/verifier" && [[ -s $out/verifier ]] || failed+=(test_verifier)
"$loader" static-branch --progs "$progs" --seed 1 --programs "${PROGRAMS:-200}" || failed+=(loader)

# plant NAME ARGUMENT...: runs a part of the loader with switches left out, which it has to notice.
plant() {
	local name=$1
	shift
	! "$loader" static-branch --repeat 0 --switches 0 --seconds 0 --programs 0 --plant "$@" || failed+=("plant-$name")
}
plant switching --switches 1000
plant random --seed 1 --programs 20
plant lifetime --seconds 5

# number REPORT NAME: a number of the loader's first report of that name.
number() { sed -nE "s/^@json .\"$1\":.*\"$2\":([0-9]+).*/\1/p" "$out/log" | head -n 1; }
echo "$(wc -l <"$out/verifier") of test_verifier, $(number random programs) random programs," \
	"$(number lifetime loads) lives, $(number static_branch switches) switches;" \
	"failed: ${failed[*]:-none}"
((${#failed[@]} == 0))
