#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each series applies on top of those before it, whoever stops at which.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

source=$(stock_source_path)
mapfile -t series < <(all_series "$source")
mkdir -p "$TOP/results"
tree=$(mktemp -d "$TOP/results/series.XXXXXX")
trap 'rm -rf "$tree"' EXIT
applied=()
for dir in "${series[@]}"; do
	mapfile -t patches < <(find "$dir" -name '*.patch' | sort)
	# What they touch, as the series before have left it.
	sed -nE 's|^--- a/||p' "${patches[@]}" | sort -u | while read -r file; do
		[[ -e $tree/$file || ! -e $source/$file ]] || install -D -m 644 "$source/$file" "$tree/$file"
	done
	cat "${patches[@]}" | (cd "$tree" && GIT_CEILING_DIRECTORIES=${tree%/*} run "$TOP/scripts/setup/inroot.sh" git apply --whitespace=nowarn -) ||
		die "${dir#"$TOP"/} does not apply on top of the series before it"
	applied+=("${dir##*/} (${#patches[@]} patches)")
done
echo "applies: ${applied[*]}"
