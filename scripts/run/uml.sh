#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# uml.sh LINUX INITRD [ARGS...]: boots a User-mode Linux kernel with an initramfs (- for none), passes
# ARGS to its init, and copies the console to stdout.
#
# The status is N if the console has a line `@exit N` (the last one counts), 0 if it has none and the
# machine was powered off or halted, 1 if the kernel died, 124 on a timeout. A machine that restarts
# boots again, until the timeout.
#
# UML_MEM (4G), UML_TIMEOUT (600, in s), UML_APPEND (kernel parameters; `loglevel=7` shows its messages).

# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"

(($# >= 2)) || die "usage: uml.sh LINUX INITRD [ARGS...]"
linux=$1 initrd=$2
shift 2
[[ -x $linux ]] || die "there is no kernel at '$linux'; run 'make kernel'"
[[ $initrd == - || -r $initrd ]] || die "there is no initramfs at '$initrd'; pass INITRD=<cpio>"

mem=${UML_MEM:-4G}
[[ $mem =~ ^[0-9]+[MG]$ ]] || die "UML_MEM=$mem is not a size; use for instance 4G or 512M"
mib=${mem%?}
[[ $mem == *M ]] || mib=$((mib * 1024))

# The kernel's memory is a sparse file that it maps executable.
fits() {
	[[ -d $1 && -w $1 ]] && (($(df -Pm "$1" | awk 'NR == 2 { print $4 }') >= mib)) &&
		! findmnt -n -o OPTIONS -T "$1" | grep -qw noexec
}
for dir in /dev/shm "${TMPDIR:-/tmp}" "$CACHE" ""; do
	[[ -n $dir ]] || die "no room for the kernel's $mem of memory in /dev/shm, ${TMPDIR:-/tmp} or $CACHE; free some, or set UML_MEM to less"
	! fits "$dir" || break
done
tmp=$(mktemp -d "$dir/bpf-patcher.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# In a process namespace, no process of the kernel outlives this script.
isolate=(bwrap --dev-bind / / --unshare-pid --proc /proc --die-with-parent)
"${isolate[@]}" true 2>/dev/null || isolate=()

# If root= and console= are missing, UML appends them to the arguments of init.
command=("$linux" "mem=$mem" con=null "con0=null,fd:1" root=/dev/ram0 console=tty0 "uml_dir=$tmp" panic=-1)
[[ $initrd == - ]] || command+=("initrd=$initrd")
read -ra append <<<"${UML_APPEND:-quiet kunit.enable=0}"
command+=("${append[@]}")
(($# == 0)) || command+=(-- "$@")

status=0
# sed and not awk, which reads in blocks and would delay progress. In the foreground, Ctrl-C reaches it.
TMPDIR=$tmp piped timeout --foreground --kill-after=5 "${UML_TIMEOUT:-600}" "${isolate[@]}" "${command[@]}" </dev/null |
	sed -u 's/\r$//' | tee "$tmp/output" || status=${PIPESTATUS[0]}
if [[ $status == 124 || $status == 137 ]]; then
	note "the kernel was stopped after ${UML_TIMEOUT:-600} s (UML_TIMEOUT)"
	exit 124
fi
code=$(sed -nE 's/^@exit ([0-9]+)$/\1/p' "$tmp/output" | tail -n 1)
[[ -z $code ]] || exit "$code"
((status == 0)) || {
	note "the kernel died (status $status)"
	exit 1
}
note "the machine was powered off: status 0; for another status its init prints '@exit N' on a line of its own"
