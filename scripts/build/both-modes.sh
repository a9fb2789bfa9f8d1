#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the library that repeats each load of a BPF program in both modes: selftests/bench.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
run "$TOP/scripts/setup/toolroot.sh"
library=$(both_modes_path)
[[ ! -f $library ]] || exit 0
dir=$(partial_dir both-modes)
stage "both_modes.so" both-modes "$TOP/scripts/setup/inroot.sh" gcc -O2 -Wall -Wextra -Werror -shared -fPIC \
	"$TOP"/selftests/bench/{both_modes,memory}.c -o "$dir/both_modes.so"
mkdir -p "$(dirname "$library")"
mv "$dir/both_modes.so" "$library"
