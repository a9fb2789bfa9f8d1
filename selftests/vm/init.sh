#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first process of the virtual machine; scripts/run/vm.sh starts it. It runs twice. First, it covers
# the shared root with a root in memory that can be written. Then, on that root, it mounts what the
# suites expect, loads the module and runs the command.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=${TERM:-linux}

# share TAG DIR OPTIONS: a directory of the host.
share() {
	mkdir -p "$2"
	mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2"
}

# finish STATUS: ends the machine. The host takes one that ends without a status for a crash.
finish() {
	cat /sys/module/bpf_patcher/parameters/stats >/run/control/stats 2>/dev/null
	echo "$1" >/run/control/status
	sync
	# There is no init to ask, and QEMU ends when the machine restarts.
	echo b >/proc/sysrq-trigger
	sleep 60
}

fail() {
	echo "error: $*"
	finish 125
}

if [[ ${1:-} != --inside ]]; then
	mount -t tmpfs tmpfs /media
	mkdir /media/{above,work,root}
	mount -t overlay -o lowerdir=/,upperdir=/media/above,workdir=/media/work overlay /media/root || exit
	mount --move /mnt /media/root/mnt
	cd /media/root && mount --move . / && exec chroot . /bin/bash /mnt/selftests/vm/init.sh --inside
	exit
fi

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
exec <>/dev/hvc0 >&0 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /dev/shm /run /tmp /var/tmp; do mount -t tmpfs tmpfs "$dir"; done
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpffs /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/mounts /etc/mtab
echo bpf-patcher >/proc/sys/kernel/hostname
ip link set lo up

share control /run/control rw || exit
# TOP, CACHE, RESULTS, KERNEL, MODULE, KMODS, SUITES: directories, where the host has them; and MODE.
# shellcheck source=/dev/null
source /run/control/env
mkdir -p "$TOP"
mount --move /mnt "$TOP"
share cache "$CACHE" ro,cache=loose || fail "the cache is not shared"
share results "$RESULTS" rw || fail "the results are not shared"

release=$(uname -r)
# The suites look for the kernel's configuration there.
zcat /proc/config.gz >"/boot/config-$release"
mkdir -p "/lib/modules/$release"
ln -s "$KERNEL" "/lib/modules/$release/build"
cp "$KERNEL"/modules.{order,builtin,builtin.modinfo} "/lib/modules/$release/"
for module in ${MODULE:+"$MODULE/bpf_patcher.ko"} "$KERNEL/lib/test_bpf.ko"; do
	[[ ! -f $module ]] || cp "$module" "/lib/modules/$release/"
done
depmod -a

cd "$RESULTS" || fail "there is no $RESULTS"
if [[ -n ${SUITES:-} ]]; then
	# The suites write where they are, and load this kernel's modules from there.
	mkdir -p /run/suites/{above,work}
	mount -t overlay -o "lowerdir=$SUITES,upperdir=/run/suites/above,workdir=/run/suites/work" overlay "$SUITES" ||
		fail "the suites cannot be covered"
	cp "$KERNEL/lib/test_bpf.ko" "$SUITES/lib/"
	cd "$SUITES/tools/testing/selftests/bpf" || fail "there are no suites"
	for dir in . no_alu32 cpuv4; do
		[[ ! -d $dir ]] || cp "$KMODS"/*.ko "$dir/"
	done
fi

if [[ -n ${MODE:-} ]]; then
	# In mode verify a difference is a WARNING, which the report takes for a failure of the suite.
	modprobe bpf_patcher "mode=$MODE" verify_warn=1 || fail "the module could not be loaded"
fi
if [[ -f /run/control/command ]]; then
	stty -opost
	bash /run/control/command </dev/null
	finish $?
fi
loaded="no module"
[[ -z ${MODE:-} ]] || loaded="bpf_patcher, mode $MODE"
echo "A shell in the virtual machine, with $loaded; 'exit' ends it."
export PS1='vm:\w# '
setsid --ctty bash --norc -i
finish $?
