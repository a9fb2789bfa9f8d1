#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the URI of the Debian archive that this host's apt uses, or nothing if none is found.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

# If there are package lists, apt knows which of its sources is Debian's archive.
from_lists() {
	# shellcheck disable=SC2016 # the format is apt's
	apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(LABEL) $(REPO_URI)' 2>/dev/null |
		awk '$1 == "Packages" && $2 == "main" && $3 ~ /^(bookworm|trixie)$/ && $4 == "Debian" { print $5; exit }'
}

# Without lists (a fresh container), it is a source with a component main of these suites and a URI that
# ends in /debian.
from_sources() {
	local etc=/etc/apt
	{
		cat "$etc"/sources.list "$etc"/sources.list.d/*.list 2>/dev/null |
			sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) +(bookworm|trixie) +(.* )?main( .*)?$/\2/p'
		cat "$etc"/sources.list.d/*.sources 2>/dev/null |
			awk -F ': *' '
				function flush() { if (suites ~ /(^| )(bookworm|trixie)( |$)/ && components ~ /(^| )main( |$)/) print uris; suites = components = uris = "" }
				/^ *$/ { flush() }
				/^URIs:/ { uris = $0; sub(/^URIs: */, "", uris) }
				/^Suites:/ { suites = $2 }
				/^Components:/ { components = $2 }
				END { flush() }'
	} | tr ' ' '\n' | grep -E -m1 '/debian/?$'
}

uri=$(from_lists || true)
[[ -n $uri ]] || uri=$(from_sources || true)
[[ -z $uri ]] || echo "${uri%/}"
