#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# static-branch-arm64.sh: builds a small kernel for arm64 with all series, and runs the selftest of static
# branches on it, in QEMU with two CPUs; then the cost of a static branch, in executed instructions. Installs
# QEMU for arm64 on the host.
#
# VM_TIMEOUT  900, in s, for each of the two machines

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

# The selftest includes headers of libraries that are not there; harness.h stands in for all of them.
# shellcheck disable=SC2317 # a step of stage
compile() {
	local source=$1 headers=$2 dir=$3 header
	mkdir -p "$dir/include/net" "$dir/include/bpf"
	ln -s "$headers" "$dir/include/uapi"
	for header in glob.h libgen.h pthread.h test_progs.h net/if.h bpf/bpf.h; do : >"$dir/include/$header"; done
	run "$TOP/scripts/setup/inroot.sh" clang-22 --target=aarch64-linux-gnu -fuse-ld=lld -static -nostdlib -nostdinc \
		-O1 -Wall -Wno-unused-function -Werror -fno-stack-protector -fno-asynchronous-unwind-tables \
		-include "$source/tools/include/nolibc/nolibc.h" -I "$dir/include" -I "$source/tools/include/nolibc" \
		-I "$headers" -I "$source" -I "$source/tools/testing/selftests/bpf" -o "$dir/init" "$TOP/selftests/arm64/init.c"
	cd "$dir"
	echo init | run "$TOP/scripts/setup/inroot.sh" cpio --quiet -o -H newc >init.cpio
}
dispatch_step "$@"

export SERIES=static-branch
results=$TOP/results/static-branch-arm64
status=0

# boot NAME APPEND QEMU...: the log is in the results. Its kernel must have nothing to say.
boot() {
	local name=$1 append=$2 log=$results/$1.log
	shift 2
	note "QEMU for arm64: $name (log: $log)"
	run timeout --foreground --kill-after=5 "${VM_TIMEOUT:-900}" setpriv --pdeathsig KILL -- \
		qemu-system-aarch64 -M virt -cpu cortex-a72 -m 512M "$@" -kernel "$build/arch/arm64/boot/Image" \
		-initrd "$dir/init.cpio" -append "console=ttyAMA0 quiet panic=-1 $append" \
		-nodefaults -no-reboot -display none -serial stdio </dev/null >"$log" 2>&1 || status=1
	grep -E '^[a-z0-9-]+ +(OK|FAIL|SKIP)|^line [0-9]+: |^  |^[0-9]+ passed' "$log" || true
	grep -q '^@exit 0' "$log" || {
		status=1
		tail -n 20 "$log" | sed 's/^/    | /' >&2
	}
	no_reports <"$log" || status=1
}

run "$TOP/scripts/setup/host-packages.sh" arm64
lock_cache
run "$TOP/scripts/build/kernel.sh" arm64
pin_source_key
build=$(kernel_path arm64)
dir=$(partial_dir arm64)
mkdir -p "$results"
stage "arm64: init" arm64-init compile "$(patched_source_path)" "$build/usr/include" "$dir"
# With a thread for each CPU, QEMU keeps executing old code that another CPU has patched: after 168 of 5000 switches the
# program behaved as before for good, while its image in memory had the new words.
boot selftest "" -smp 2 -accel tcg,thread=single
boot cost "-- cost" -smp 1 -icount shift=0,sleep=off
remove_tree "$dir"
exit "$status"
