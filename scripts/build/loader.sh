#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loader.sh [dynamic]: builds the loader as a static program: it is the only program of an initramfs, and runs
# on any host. dynamic: builds it as one into which the benchmark preloads a library.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
run "$TOP/scripts/setup/toolroot.sh"
target=$(loader_target)
name="loader" args=()
if [[ ${1:-} == dynamic ]]; then
	target=$target/dynamic name="loader, dynamic"
else
	export RUSTFLAGS='-C target-feature=+crt-static'
	args=(--target x86_64-unknown-linux-gnu)
fi
stamp=$target/.stamp
want=$(hash_tree "$TOP/selftests/loader")
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0
need_disk 300 "the loader"
export CARGO_TARGET_DIR=$target
rm -f "$stamp"
stage "$name" loader "$TOP/scripts/setup/inroot.sh" cargo build --release --locked --jobs "$JOBS" "${args[@]}" \
	--manifest-path "$TOP/selftests/loader/Cargo.toml"
echo "$want" >"$stamp"
