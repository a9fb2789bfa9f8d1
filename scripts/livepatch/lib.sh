# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that make a livepatch for Debian's own kernel: its names, and its root.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/paths.sh"

# FLAVOUR is that of the running kernel if there is a livepatch for it.
if [[ -z ${FLAVOUR:-} ]]; then
	FLAVOUR=$(uname -r | sed -nE 's/^7\.[0-9]+\.[0-9]+\+deb13-((cloud-|rt-)?amd64)$/\1/p')
	FLAVOUR=${FLAVOUR:-cloud-amd64}
fi
case $FLAVOUR in
cloud-amd64 | amd64 | rt-amd64) ;;
*) die "FLAVOUR=$FLAVOUR is no kernel of Debian with live patching; it is one of cloud-amd64, amd64, rt-amd64" ;;
esac
export FLAVOUR

livepatch_root_path() {
	echo "$CACHE/livepatch/root-$(cat "$TOP/configs/livepatch.packages" "$TOP"/scripts/{livepatch/root,lib/debian}.sh | short_hash)"
}
in_root() { INROOT=$(livepatch_root_path) run "$TOP/scripts/setup/inroot.sh" "$@"; }
