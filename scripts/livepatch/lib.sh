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
	echo "$CACHE/livepatch/root-$(cat "$TOP/configs/livepatch.packages" "$TOP"/scripts/{livepatch/root,lib/debian,lib/roots}.sh | short_hash)"
}
in_root() { INROOT=$(livepatch_root_path) run "$TOP/scripts/setup/inroot.sh" "$@"; }

# pack_programs ROOT: what the machines load programs with.
pack_programs() {
	local root=$1
	as_root mkdir -p "$root/progs" "$root/measured"
	as_root cp "$(loader_path)" "$root/usr/bin/loader"
	find "$(progs_path)" -maxdepth 1 -name '*.o' -print0 | as_root xargs -0 cp -t "$root/progs"
	as_root install -m 644 "$TOP/selftests/livepatch/lib.sh" "$root/lib.sh"
	in_root gcc-14 -O2 -Wall -Werror -static -o "$root/usr/bin/classic" "$TOP/selftests/livepatch/classic.c"
}

# report MODULES: results/livepatch.md, once both machines have run.
report() {
	local logs=("$TOP"/results/livepatch-{vm,debian}.log)
	[[ ! -f ${logs[0]} || ! -f ${logs[1]} ]] ||
		in_root python3 "$TOP/scripts/report/livepatch.py" "${logs[@]}" "$1/replaced.txt" >"$TOP/results/livepatch.md"
}

# boot DEBIAN INITRAMFS LOG PARAMETER...: boots a kernel of Debian in QEMU, and shows the results of its init. Fails if that
# does. One thread for both CPUs, as a CPU may run code that another has just patched. The clock counts executed
# instructions, one in 2^CLOCK ns: with the host's clock, a kernel that waits for its turn takes its timers for broken.
boot() {
	local debian=$1 initramfs=$2 log=$3
	shift 3
	note "QEMU: Debian's kernel ${debian##*/debian-} (log: $log)"
	run timeout "${VM_TIMEOUT:-7200}" qemu-system-x86_64 -accel tcg,thread=single -icount "shift=${CLOCK:-0},sleep=off" -cpu max,la57=off \
		-smp "${VM_CPUS:-2}" -m 3G -kernel "$debian"/usr/lib/modules/*/vmlinuz -initrd "$initramfs" \
		-nodefaults -no-reboot -display none -serial stdio \
		-append "console=ttyS0 quiet panic=-1 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 $*" </dev/null |
		sed -u 's/\r//; s/^\x1b\[K//' | tee "$log" | sed -un 's/^# /    /p; /^\(not \)\?ok/p' >&2
	grep -qx '@exit 0' "$log" || die "see $log"
}
