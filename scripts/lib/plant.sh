# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that plant a fault in a copy of the module.

# plant FILE OLD NEW: replaces OLD, which has to be there once.
plant() {
	awk -v old="$2" -v new="$3" '
		i = index($0, old) { $0 = substr($0, 1, i - 1) new substr($0, i + length(old)); n++ }
		{ print }
		END { exit n != 1 }' "$1" >"$1.new" && mv "$1.new" "$1"
}
