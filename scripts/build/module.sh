#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh [install]: builds bpf_patcher.ko against the user's own kernel, with the user's own tools.
# KDIR is the kernel's build directory (by default the running kernel's). `install` puts the module where
# modprobe finds it; INSTALL_MOD_PATH works as in the kernel's build.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

action=${1:-build}
[[ $action == build || $action == install ]] || die "usage: module.sh [install]"
KDIR=${KDIR:-/lib/modules/$(uname -r)/build}
[[ -f $KDIR/Makefile && -f $KDIR/.config ]] ||
	die "KDIR=$KDIR is not a configured kernel build directory; pass KDIR=<build directory of your patched kernel>"
# A build outside of the source has a link to it.
source=$KDIR
[[ -f $KDIR/Kbuild || ! -e $KDIR/source ]] || source=$KDIR/source
header=$source/include/linux/bpf_patcher.h
[[ -f $header ]] ||
	die "the kernel of KDIR=$KDIR lacks include/linux/bpf_patcher.h; apply 1-fixes and 2-sessions of patches/<its version>, and build it first"
grep -qx 'CONFIG_RUST=y' "$KDIR/.config" ||
	die "the kernel of KDIR=$KDIR is built without CONFIG_RUST; switch it on ('make rustavailable' says what is missing) and build it again"
grep -qx 'CONFIG_BPF_PATCHER_HOOKS=y' "$KDIR/.config" ||
	die "the kernel of KDIR=$KDIR is built without CONFIG_BPF_PATCHER_HOOKS; switch it on and build it again"
ours=$(contract_versions)
theirs=$(sed -nE 's/^#define BPF_PATCHER_VERSION[[:space:]]+([0-9]+)$/\1/p' "$header")
[[ -n $theirs && " $ours " == *" $theirs "* ]] ||
	die "the kernel of KDIR=$KDIR has version ${theirs:-unknown} of the contract, this module is for ${ours/ / or }; use the series and the module of one checkout"
[[ ! -e $KDIR/vmlinux.symvers && ! -e $KDIR/Module.symvers ]] && die "the kernel of KDIR=$KDIR is configured but not built; build it first"
# With the compiler that the kernel was built with.
llvm=()
grep -qx 'CONFIG_CC_IS_CLANG=y' "$KDIR/.config" && [[ -z ${LLVM:-} ]] && llvm=(LLVM=1)
make -C "$KDIR" M="$TOP" "${llvm[@]}" modules
[[ $action == build ]] || make -C "$KDIR" M="$TOP" "${llvm[@]}" modules_install
