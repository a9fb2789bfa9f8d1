#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static_branch.sh OUT LOADER PROGS: the tests of the series of static branches.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
failed=()
./test_progs -w 1200 -a bpf_static_branch,bpf_insn_array,bpf_gotox || failed+=(test_progs)
./test_verifier | grep -E '^#[0-9]+/[pu] static branch' >"$out/verifier"
cat "$out/verifier"
! grep -v ' OK' "$out/verifier" && [[ -s $out/verifier ]] || failed+=(test_verifier)
"$loader" static-branch --progs "$progs" || failed+=(loader)
# One switch that is left out has to be noticed.
! "$loader" static-branch --switches 1000 --repeat 0 --plant || failed+=(plant)
echo "$(wc -l <"$out/verifier") of test_verifier, $(sed -nE 's/.*"switches":([0-9]{4,}).*/\1/p' "$out/log" | head -n 1) switches; failed: ${failed[*]:-none}"
((${#failed[@]} == 0))
