#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# inproof.sh DIR COMMAND...: runs a command in the proof root. The checkout can be read, DIR can be written.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

dir=$1
shift
root=$(proof_root_path)
[[ -d $root ]] || die "there is no proof root yet; run 'make prove'"

# The lock belongs to the scripts, not to what they run.
[[ -z ${BPF_PATCHER_LOCK_FD:-} ]] || exec {BPF_PATCHER_LOCK_FD}>&-
exec bwrap --die-with-parent --unshare-all --clearenv --ro-bind "$root/usr" /usr --ro-bind "$root/etc" /etc \
	--symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --dev /dev --proc /proc --tmpfs /tmp \
	--ro-bind "$TOP" "$TOP" --bind "$dir" "$dir" --setenv PATH /usr/bin --setenv HOME /tmp --setenv LC_ALL C.UTF-8 \
	--setenv PYTHONDONTWRITEBYTECODE 1 --chdir "$PWD" -- "$@"
