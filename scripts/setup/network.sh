#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fails with one line when the Debian archive cannot be reached by apt's settings.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

uri=$(run "$TOP/scripts/setup/mirror.sh")
# If the archive is not known, the stage that needs it reports the error.
[[ -n $uri ]] || exit 0
got=$(mktemp)
trap 'rm -f "$got"' EXIT
timeout 60 /usr/lib/apt/apt-helper -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o APT::Sandbox::User=root \
	download-file "$uri/dists/trixie/InRelease" "$got" >/dev/null 2>&1 ||
	die "no network: the Debian archive of apt's sources cannot be reached and the cache ($CACHE) is not filled; connect, or set apt's proxy, and run it again"
