#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each further series, as that of static branches, applies on top of the first one alone.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

SERIES=
source=$(patched_source_path)
first=$(series_path "$source")
mapfile -t series < <(all_series "$source")
cd "$source"
# If the cache is inside of a repository, git must not look there.
GIT_CEILING_DIRECTORIES=$(dirname "$source")
export GIT_CEILING_DIRECTORIES
applied=()
for dir in "${series[@]}"; do
	[[ $dir != "$first" ]] || continue
	mapfile -t patches < <(find "$dir" -name '*.patch' | sort)
	# As one, as each builds on those before it.
	cat "${patches[@]}" | run "$TOP/scripts/setup/inroot.sh" git apply --check --whitespace=nowarn - ||
		die "${dir#"$TOP"/} does not apply on top of ${first#"$TOP"/}"
	applied+=("${dir##*/} (${#patches[@]} patches)")
done
((${#applied[@]})) || {
	echo "there is one series only"
	exit 77
}
echo "applies: ${applied[*]}"
