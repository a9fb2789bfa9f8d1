#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# try.sh PATH: loads the programs of an object, of a file of `struct sock_filter` or of a folder of these in the virtual
# machine, in mode stock and another, and says what rewriting takes of each load. The table is in results/try/table.csv,
# too, all that was measured in programs.jsonl, the kernel's log in kernel.log. The clock of the machine counts executed
# instructions, one a nanosecond, so that results are the same on each machine and at any time.
#
# HARDEN      net.core.bpf_jit_harden: 0 (the default), 1 or 2
# PROG        only programs of this name
# MODE        patcher (the default), or verify, in which the kernel compares each session with its own code
# VM_TIMEOUT  3600, in s

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

path=${1:-} harden=${HARDEN:-0} mode=${MODE:-patcher} dir=$TOP/results/try
[[ -n $path ]] || die "pass OBJ=<BPF object, or folder of objects>, for instance: make try OBJ=my.bpf.o"
[[ -r $path ]] || die "there is no $path"
[[ $harden =~ ^[012]$ ]] || die "HARDEN=$harden is none of 0, 1 and 2"
[[ $mode =~ ^(patcher|verify)$ ]] || die "MODE=$mode is neither patcher nor verify"
if [[ -d $path ]]; then
	mapfile -d '' files < <(find -L "$path" -maxdepth 1 -type f -print0)
	((${#files[@]})) || die "there are no files in $path"
else
	files=("$path")
fi

run "$TOP/scripts/setup/host-packages.sh"
run "$TOP/scripts/build/loader.sh"
rm -rf "$dir"
mkdir -p "$dir/files"
cp -L -- "${files[@]}" "$dir/files/"

args=(try "$dir/files" --mode "$mode" --harden "$harden" --csv "$dir/table.csv")
[[ -z ${PROG:-} ]] || args+=(--prog "$PROG")
status=0
note "times are executed instructions, a thousand in a us"
# Its lines for people begin with a number sign.
VM_ICOUNT=1 VM_SUITES='' VM_TIMEOUT=${VM_TIMEOUT:-3600} VM_RESULTS=$dir MODE=patcher CMD=$(printf '%q ' "$(loader_path)" "${args[@]}") \
	piped "$TOP/scripts/run/vm.sh" vm-lean | tr -d '\r' | tee "$dir/log" | sed -un 's/^# //p' || status=${PIPESTATUS[0]}
sed -n 's/^@json //p' "$dir/log" >"$dir/programs.jsonl"
rm -rf "$dir/files"
((status == 0 || status == 1)) || die "the programs were not tried (status $status); logs: $dir/log, $dir/kernel.log"
exit "$status"
