#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the loader as a static program: it is the only program of an initramfs, and runs on any host.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

lock_cache
run "$TOP/scripts/setup/toolroot.sh"
CARGO_TARGET_DIR=$(loader_target)
export CARGO_TARGET_DIR RUSTFLAGS='-C target-feature=+crt-static'
stamp=$CARGO_TARGET_DIR/.stamp
want=$(hash_tree "$TOP/selftests/loader")
[[ $(cat "$stamp" 2>/dev/null) != "$want" ]] || exit 0
need_disk 300 "the loader"
stage "loader" loader "$TOP/scripts/setup/inroot.sh" cargo build --release --locked --jobs "$JOBS" \
	--target x86_64-unknown-linux-gnu --manifest-path "$TOP/selftests/loader/Cargo.toml"
echo "$want" >"$stamp"
