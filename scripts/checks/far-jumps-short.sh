#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs of long jumps return the result of the loader's own interpreter, which runs the programs as they were
# written. A planted fault in the interpreter, and one in a program, are noticed. This is User-mode Linux, without a
# JIT; `make far-jumps` has more programs, and compiles them too.

# shellcheck source=scripts/lib/boot.sh
source "$(dirname "$0")/../lib/boot.sh"

boot_prepare um
# Programs of the first seed, the same every time: a failure must not come and go.
far=(run --only far-jumps --seed "${SEED:-1}" --far loaded)
loader_check um far-jumps "${far[@]}" --count "${COUNT:-200}"
# Stock takes time for each edit.
loader_check um far-jumps-modes "${far[@]}" --count 4 --modes stock,patcher,verify
for plant in interpreter program; do
	loader_refuses '"differences":[1-9]' um "far-jumps-$plant" run --only far-jumps --seed 1 --count 10 --plant "$plant"
done
said far-jumps
