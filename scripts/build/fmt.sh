#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fmt.sh [--check]: formats the Rust sources, the module's with the kernel's own settings, which are cargo's.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

run "$TOP/scripts/build/source.sh" stock
settings=$(stock_source_path)/.rustfmt.toml
cd "$TOP"
mapfile -d '' -t files < <(find rust -name '*.rs' -print0)
((${#files[@]} == 0)) || run scripts/setup/inroot.sh rustfmt --config-path "$settings" "$@" "${files[@]}"
for crate in loader host; do
	run scripts/setup/inroot.sh cargo fmt --all --manifest-path "selftests/$crate/Cargo.toml" -- "$@"
done
