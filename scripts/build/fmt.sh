#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fmt.sh [--check]: formats the Rust sources and the shell scripts. The module's sources have the
# kernel's settings, which are cargo's; shfmt reads .editorconfig.

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
mapfile -t files < <(shell_scripts)
action=-w
[[ ${1:-} != --check ]] || action=-d
run scripts/setup/inroot.sh shfmt "$action" "${files[@]}"
