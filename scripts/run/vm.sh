#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vm.sh [KIND]: boots a virtual machine with the kernel KIND (of kernels/) and the module, and gives a shell
# in it. With CMD='...' it runs that instead. The status is the command's, 124 on a timeout,
# 125 if the machine did not get that far.
#
# MODE        patcher (the default), stock, verify, or none, which leaves loading the module to CMD
# VM_CPUS     2
# VM_MEM      4G
# VM_TIMEOUT  600, in s; for CMD
# VM_APPEND   more kernel parameters
# ACCEL       kvm or tcg, instead of the choice by a trial boot
# VM_ICOUNT   1: the machine's clock counts executed instructions, one a nanosecond. One CPU, emulated
# VM_SUITES   the suites to build first: base (the default), progs, all, or empty for none
# VM_RESULTS  results/vm: a directory that the machine can write to, under the same name. It has kernel.log
#             and, in stats, the module's counters afterwards

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

kind=${1:-vm} mode=${MODE:-patcher} suites=${VM_SUITES-base} cmd=${CMD:-}
results=$(realpath -m "${VM_RESULTS:-$TOP/results/vm}")
log=$results/kernel.log stats=$results/stats
check_kind "$kind" x86_64
[[ $mode =~ ^(stock|patcher|verify|none)$ ]] || die "MODE=$mode is none of patcher, stock, verify and none"
[[ ${ACCEL:-kvm} =~ ^(kvm|tcg)$ ]] || die "ACCEL=$ACCEL is neither kvm nor tcg"
[[ ${VM_ICOUNT:-1} == 1 ]] || die "VM_ICOUNT=$VM_ICOUNT is not 1"
[[ -z ${VM_ICOUNT:-} || ${ACCEL:-tcg} == tcg ]] || die "VM_ICOUNT counts what an emulated CPU executes: pass no ACCEL=$ACCEL"
# Counting settles both.
[[ -z ${VM_ICOUNT:-} ]] || ACCEL=tcg VM_CPUS=1
[[ -n $cmd || -t 0 ]] || die "a shell needs a terminal; for one command pass CMD='...'"

run "$TOP/scripts/setup/vm-root.sh"
if [[ $(kind_value "$kind" tree) == stock ]]; then
	[[ $mode == none ]] || die "the unpatched kernel has no patcher: pass MODE=none"
	run "$TOP/scripts/build/kernel.sh" "$kind"
else
	run "$TOP/scripts/build/vm-module.sh" "$kind"
fi
[[ -z $suites ]] || run "$TOP/scripts/build/vm-selftests.sh" "$kind" "$suites"
pin_source_key
build=$(kernel_path "$kind")
image=$build/arch/x86/boot/bzImage
mkdir -p "$results"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bpf-patcher.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/control"

shares=()
share() { shares+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"); }
share root "$(vm_root_path)" ,readonly=on
share checkout "$TOP" ,readonly=on
share cache "$CACHE" ,readonly=on
share results "$results" ""
share control "$tmp/control" ""

# boot ACCEL LIMIT: boots a machine. Its virtual console is stdin and stdout, its serial console the
# kernel's log. LIMIT is in s, or empty.
boot() {
	local accel=$1 limit=$2 how=$1 cpu=host count=() append
	append="root=root rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=524288,cache=loose ro"
	append+=" console=ttyS0 loglevel=5 panic=-1 kunit.enable=0"
	if [[ $accel == tcg ]]; then
		# With a thread for each CPU, a CPU may run code that another has just patched (static keys, ftrace):
		# the kernel dies of it.
		how+=,thread=single
		# Five-level page tables only cost time in emulation. What takes long there is not stuck.
		cpu=max,la57=off
		append+=" watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 workqueue.watchdog_thresh=300"
	fi
	[[ -z ${VM_ICOUNT:-} ]] || count=(-icount "shift=0,sleep=off")
	append+=" $(kind_value "$kind" append) ${VM_APPEND:-} init=/bin/bash -- -c \"mount -t 9p -o trans=virtio,version=9p2000.L,ro checkout /mnt && exec bash /mnt/selftests/vm/init.sh\""
	local command=(qemu-system-x86_64 -accel "$how" "${count[@]}" -cpu "$cpu" -smp "${VM_CPUS:-2}" -m "${VM_MEM:-4G}" -kernel "$image" -append "$append"
		-nodefaults -no-reboot -display none -serial "file:$log" -device virtio-rng-pci
		-device virtio-serial-pci -chardev "stdio,id=tty,signal=off" -device "virtconsole,chardev=tty" "${shares[@]}")
	if [[ -n $limit ]]; then
		run timeout --foreground --kill-after=5 "$limit" setpriv --pdeathsig KILL -- "${command[@]}"
	else
		setpriv --pdeathsig KILL -- "${command[@]}"
	fi
}

# control COMMAND MODE [SUITES]: tells the machine what to do, and where things are.
control() {
	rm -f "$tmp"/control/*
	[[ -z $1 ]] || printf '%s\n' "$1" >"$tmp/control/command"
	printf '%s=%q\n' TOP "$TOP" CACHE "$CACHE" RESULTS "$results" KERNEL "$build" MODE "${2/#none/}" \
		MODULE "$(vm_module_path "$kind")" SUITES "${3:+$(vm_selftests_path "$kind")}" KMODS "$(vm_kmods_path "$kind")" >"$tmp/control/env"
}

# There may be a /dev/kvm that runs no guest, so only a boot tells. Its answer holds until the host's next
# boot.
find_accel() {
	local file=$CACHE/vm-accel boot_id known
	boot_id=$(cat /proc/sys/kernel/random/boot_id)
	known=$(sed -n "s/^$boot_id //p" "$file" 2>/dev/null || true)
	if [[ -z $known ]]; then
		known=tcg
		if [[ -r /dev/kvm && -w /dev/kvm ]]; then
			note "trying KVM (30 s at most)"
			control true none
			boot kvm 30 </dev/null >"$tmp/probe" 2>&1 || true
			[[ $(cat "$tmp/control/status" 2>/dev/null) != 0 ]] || known=kvm
		fi
		echo "$boot_id $known" >"$file"
	fi
	echo "$known"
}
accel=${ACCEL:-$(find_accel)}
echo "$accel" >"$results/accel"
case $accel in
kvm) note "QEMU with KVM: kernel $kind, mode $mode (kernel's log: $log)" ;;
tcg) note "QEMU with TCG${VM_ICOUNT:+, counting instructions}: kernel $kind, mode $mode (kernel's log: $log)" ;;
esac

control "$cmd" "$mode" "$suites"
status=0
if [[ -n $cmd ]]; then
	boot "$accel" "${VM_TIMEOUT:-600}" </dev/null || status=$?
else
	boot "$accel" "" || status=$?
fi
mv "$tmp/control/stats" "$stats" 2>/dev/null || rm -f "$stats"
if [[ $status == 124 || $status == 137 ]]; then
	note "the virtual machine was stopped after ${VM_TIMEOUT:-600} s (VM_TIMEOUT)"
	exit 124
fi
code=$(cat "$tmp/control/status" 2>/dev/null || true)
if [[ -z $code ]]; then
	tail -n 20 "$log" | sed 's/^/    | /' >&2
	note "the virtual machine ended without a status (QEMU: $status)"
	exit 125
fi
exit "$code"
