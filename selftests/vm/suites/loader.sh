#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loader.sh OUT LOADER PROGS: the checks that `make test` does in User-mode Linux, here with a JIT: both
# modes give the same programs, the defects are fixed in all modes, random programs are as with stock.
# Programs that combine all rewrites return the right result.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
"$loader" identity --progs "$progs" && "$loader" defects --expect right && "$loader" random --count 2000 --seed 20261121 --verify &&
	"$loader" combined --count 200 --long 40 --seed 1 --modes verify || exit 1
# A wrong interpreter has to be noticed.
"$loader" combined --plant --count 20 --long 1000 --seed 1 --modes patcher >"$out/plant"
cat "$out/plant"
grep -q '^@json {"summary":.*"differences":[1-9]' "$out/plant" || exit 1
# number COMMAND FIELD: a number of the summary of COMMAND.
number() { sed -nE "/\"command\":\"$1\"/ s/.*\"$2\":([0-9]+).*/\\1/p" "$out/log"; }
right=$(sed -nE 's/^@json .*"right":([0-9]+).*/\1/p' "$out/log" | tail -n 1)
echo "$(number identity good) programs alike in both modes, defects $right times right," \
	"$(number random verify_sessions) sessions of random programs as with stock," \
	"$(number combined runs | head -n 1) runs of $(number combined programs | head -n 1) programs that combine all as written"
