#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loader.sh OUT LOADER PROGS: the checks that `make test` does in User-mode Linux, here with a JIT: both
# modes give the same programs, the defects are fixed in all modes, random programs are as with stock.
# Programs that combine all rewrites return the right result.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
"$loader" identical --progs "$progs" && "$loader" defects --expect right &&
	"$loader" identical --only random --modes verify --count 2000 --seed 20261121 &&
	"$loader" run --only combined --count 200 --long 40 --seed 1 --modes verify || exit 1
said=$(sed -nE 's/^ok 1 ([a-z]+: )/\1/p' "$out/log" | paste -sd';')
# A wrong interpreter has to be noticed.
"$loader" run --only combined --plant interpreter --count 20 --long 1000 --seed 1 --modes patcher >"$out/plant"
cat "$out/plant"
grep -q '^@json {"summary":.*"differences":[1-9]' "$out/plant" || exit 1
echo "$said"
