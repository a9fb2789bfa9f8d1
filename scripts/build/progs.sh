#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles the BPF programs that selftests/progs lists, from the unpatched kernel tree's own selftests.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
run "$TOP/scripts/build/source.sh" stock
pin_source_key
out=$(progs_path)
[[ ! -d $out ]] || exit 0
need_disk 200 "the BPF programs"
dir=$(partial_dir progs)
mkdir "$dir/out"
stage "BPF programs" progs "$TOP/scripts/setup/inroot.sh" make -C "$TOP/selftests/progs" -j"$JOBS" \
	KSRC="$(stock_source_path)" OUT="$dir/out"
mv "$dir/out" "$out"
