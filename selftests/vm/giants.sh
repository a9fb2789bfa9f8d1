# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by suites that leave tests out.

# ranges_without GIANTS: reads tests in order, `number name` a line; prints a line `first last` for each
# run of tests between those that match GIANTS.
ranges_without() {
	awk -v giants="$1" '
		$0 ~ giants { if (first != "") print first, last; first = ""; next }
		first == "" { first = $1 }
		{ last = $1 }
		END { if (first != "") print first, last }'
}
