#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh [install]: builds bpf_patcher.ko against the user's own kernel with the user's own tools: KDIR names its build directory
# (the running kernel's, if not set). `install` puts it where modprobe finds it; INSTALL_MOD_PATH as with the kernel's own modules.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

action=${1:-build}
[[ $action == build || $action == install ]] || die "usage: module.sh [install]"
KDIR=${KDIR:-/lib/modules/$(uname -r)/build}
[[ -f $KDIR/Makefile && -f $KDIR/.config ]] ||
	die "KDIR=$KDIR is not a configured kernel build directory; pass KDIR=<build directory of your patched kernel>"
# A build directory of its own points to the source.
source=$KDIR
[[ -f $KDIR/Kbuild || ! -e $KDIR/source ]] || source=$KDIR/source
header=$source/include/linux/bpf_patcher.h
[[ -f $header ]] ||
	die "the kernel of KDIR=$KDIR lacks include/linux/bpf_patcher.h; apply patches/<its version>/*.patch and build it first"
grep -qx 'CONFIG_RUST=y' "$KDIR/.config" ||
	die "the kernel of KDIR=$KDIR is built without CONFIG_RUST; switch it on ('make rustavailable' says what is missing) and build it again"
ours=$(contract_version)
theirs=$(sed -nE 's/^#define BPF_PATCHER_VERSION[[:space:]]+([0-9]+)$/\1/p' "$header")
[[ $ours == "$theirs" ]] ||
	die "the kernel of KDIR=$KDIR has version ${theirs:-unknown} of the contract, this module is for version $ours; use the series and the module of one checkout"
[[ ! -e $KDIR/vmlinux.symvers && ! -e $KDIR/Module.symvers ]] && die "the kernel of KDIR=$KDIR is configured but not built; build it first"
# With the compiler that the kernel was built with.
llvm=()
grep -qx 'CONFIG_CC_IS_CLANG=y' "$KDIR/.config" && [[ -z ${LLVM:-} ]] && llvm=(LLVM=1)
make -C "$KDIR" M="$TOP" "${llvm[@]}" modules
[[ $action == build ]] || make -C "$KDIR" M="$TOP" "${llvm[@]}" modules_install
