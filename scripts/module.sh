#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds bpf_patcher.ko against the user's own kernel with the user's own tools: KDIR names its build directory.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

[[ -n ${KDIR:-} ]] || die "pass KDIR=<build directory of your patched kernel>"
[[ -f $KDIR/Makefile && -f $KDIR/.config ]] || die "KDIR=$KDIR is not a configured kernel build directory"
# A build directory of its own points to the source.
source=$KDIR
[[ -f $KDIR/Kbuild || ! -e $KDIR/source ]] || source=$KDIR/source
[[ -f $source/include/linux/bpf_patcher.h ]] ||
	die "the kernel of KDIR=$KDIR lacks include/linux/bpf_patcher.h; apply patches/<its version>/*.patch and build it first"
grep -qx 'CONFIG_RUST=y' "$KDIR/.config" ||
	die "the kernel of KDIR=$KDIR is built without CONFIG_RUST; switch it on ('make rustavailable' says what is missing) and build it again"
exec make -C "$KDIR" M="$TOP" modules
