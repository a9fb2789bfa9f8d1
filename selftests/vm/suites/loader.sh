#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loader.sh OUT LOADER PROGS: what `make test` does in User-mode Linux, here with a JIT: both modes alike, stock's defects, random programs
# in mode verify.

set -u
out=$1 loader=$2 progs=$3
exec >"$out/log" 2>&1
"$loader" identity --progs "$progs" && "$loader" defects && "$loader" random --count 2000 --seed 20261121 --verify || exit 1
# number COMMAND FIELD: of a command's summary.
number() { sed -nE "/\"command\":\"$1\"/ s/.*\"$2\":([0-9]+).*/\\1/p" "$out/log"; }
echo "$(number identity good) programs alike in both modes, $(number defects shown) defects in stock only," \
	"$(number random verify_sessions) sessions of random programs as with stock"
