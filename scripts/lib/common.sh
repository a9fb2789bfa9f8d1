# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by every script: settings, messages, stages, the cache lock, root.
# Messages go to stderr, so that a script's stdout is its result.

set -euo pipefail
export LC_ALL=C.UTF-8

TOP=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# DKMS runs from systemd, which sets no HOME.
HOME=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
export HOME
CACHE=$(realpath -m "${BPF_PATCHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bpf-patcher}")
LOGS=$CACHE/log
# Unfinished work. Every locked run removes first what a killed run left here.
PARTIAL=$CACHE/partial
JOBS=${JOBS:-$(nproc)}
# shellcheck disable=SC2034 # used by the scripts that source this file
HEARTBEAT=${HEARTBEAT:-20}

note() { printf '==> %s\n' "$*" >&2; }

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# kbuild cannot work below a path with these characters.
case $CACHE$TOP in
*[[:space:]:]*) die "the kernel's build does not allow spaces or colons in '$CACHE' or '$TOP'; set BPF_PATCHER_CACHE or move the checkout" ;;
esac

as_root() {
	if ((EUID == 0)); then
		"$@"
	elif command -v sudo >/dev/null; then
		# sudo drops the environment; a proxy must survive it.
		sudo -- env ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
			${no_proxy:+"no_proxy=$no_proxy"} "$@"
	else
		die "'$1' must run as root; run make as root, or install sudo"
	fi
}

# Runs a script of ours so that it ends when this one is killed.
run() { setpriv --pdeathsig TERM -- "$@"; }
# The same as a part of a pipeline, or in the background: it takes the place of the shell in between, which would
# outlive this script.
piped() { exec setpriv --pdeathsig TERM -- "$@"; }

# What a kernel's log has if something is wrong with the kernel.
KERNEL_REPORTS='BUG: |WARNING: |UBSAN: |KASAN: |INFO: (possible|trying|task|rcu)|possible recursive|suspicious RCU|rust_kernel: panicked at'

# no_reports <LOG: fails if a kernel's log has some, and shows the first ones. Reads all of it, as whoever writes it
# would die of a closed pipe.
no_reports() { ! grep -E "$KERNEL_REPORTS" | sed -n 1,3p; }

# A short hash of stdin, for names in the cache.
short_hash() { sha256sum | cut -c1-12; }

# hash_tree PATH...: a hash of the names and contents of files, or of files below directories.
hash_tree() { find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sed "s|$TOP/||" | short_hash; }

# without_comments FILE: its lines without comments and empty ones.
without_comments() { sed -E '/^(#|$)/d' "$1"; }

# shell_scripts: their paths in the checkout, one a line.
shell_scripts() { (cd "$TOP" && find scripts selftests .ci -type f \( -name '*.sh' -o -path .ci/run \) | sort); }

# need_disk MIB WHAT: refuses a stage before it starts if it would fill the disk.
need_disk() {
	local free
	mkdir -p "$CACHE" || die "cannot create the cache $CACHE; set BPF_PATCHER_CACHE to a directory that can be written"
	free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
	((free >= $1)) ||
		die "$2 needs $1 MiB of disk and $CACHE has $free MiB; free some, or set BPF_PATCHER_CACHE to a bigger disk"
}

# Removes a tree that may hold files of root, and never what is mounted in it.
remove_tree() {
	[[ -e $1 ]] || return 0
	rm -rf --one-file-system "$1" 2>/dev/null || as_root rm -rf --one-file-system "$1"
}

# One run at a time works on a cache. Scripts that it starts inherit its lock.
lock_cache() {
	local fd
	[[ ${BPF_PATCHER_LOCKED:-} != "$CACHE" ]] || return 0
	if ! { mkdir -p "$CACHE" && : >>"$CACHE/lock"; } 2>/dev/null; then
		die "cannot write to the cache $CACHE; set BPF_PATCHER_CACHE to a directory that can be written"
	fi
	exec {fd}<>"$CACHE/lock"
	if ! flock -n "$fd"; then
		note "waiting for the run that holds $CACHE (process $(cat "$CACHE/lock"))"
		flock "$fd"
	fi
	{ echo $$ >"$CACHE/lock"; } 2>/dev/null || die "cannot write to $CACHE; is the disk full?"
	export BPF_PATCHER_LOCKED=$CACHE BPF_PATCHER_LOCK_FD=$fd
	remove_tree "$PARTIAL"
	trap clean_up EXIT
}

# After a failure nothing unfinished stays. After a signal the status is 0, and what this script started
# may still be writing; the next run cleans up then.
clean_up() {
	if (($?)); then
		remove_tree "$PARTIAL"
	else
		rmdir "$PARTIAL"/* "$PARTIAL" 2>/dev/null || true
	fi
}

# partial_dir NAME: a fresh directory for unfinished work; `mv` makes its content final.
partial_dir() {
	mkdir -p "$PARTIAL"
	mktemp -d "$PARTIAL/$1.XXXXXX"
}

elapsed() { printf '%d:%02d' $((($1) / 60)) $((($1) % 60)); }

# heartbeat NAME LOG START: prints the last line of a log every HEARTBEAT seconds. Ends with the script,
# leaves no process behind (no sleep) and holds no lock.
heartbeat() {
	local name=$1 log=$2 start=$3 never line
	[[ -z ${BPF_PATCHER_LOCK_FD:-} ]] || exec {BPF_PATCHER_LOCK_FD}>&-
	exec {never}<> <(:)
	while ! read -r -t "$HEARTBEAT" -u "$never" && kill -0 $$ 2>/dev/null; do
		line=$(tail -n 1 "$log" | tr -s '[:space:]' ' ' | cut -c1-70)
		printf '    %s %s %s\n' "$name" "$(elapsed $((SECONDS - start)))" "$line" >&2
	done
}

# beating NAME LOG COMMAND...: runs a command with a heartbeat. The status is the command's.
beating() {
	local name=$1 log=$2 beat status=0
	shift 2
	heartbeat "$name" "$log" "$SECONDS" &
	beat=$!
	"$@" || status=$?
	kill "$beat" 2>/dev/null || true
	wait "$beat" 2>/dev/null || true
	return "$status"
}

# reason LOG: why a stage failed, for whoever has to act on it. A step that knows the reason prints
# `refused: ...`.
reason() {
	if grep -q '^refused: ' "$1"; then
		sed -n 's/^refused: //p' "$1" | tail -n 1
	elif grep -qi 'no space left on device' "$1"; then
		echo "the disk is full (free some space, or set BPF_PATCHER_CACHE to a bigger disk)"
	elif grep -qiE 'temporary failure|could not (resolve|connect)|network is unreachable|failed to download' "$1"; then
		echo "no network (connect, or configure apt's proxy or http_proxy, and run it again)"
	else
		echo "failed"
	fi
}

# logged LOG COMMAND...: runs a script of ours with its output in a log.
logged() {
	local log=$1
	shift
	run "$@" >>"$log" 2>&1 </dev/null
}

# stage NAME LOG COMMAND...: runs a long step, with its output in a log and a heartbeat on the terminal.
# COMMAND may be a function of the calling script: it runs in a process of its own (see dispatch_step),
# which ends when the script is killed.
stage() {
	local name=$1 log=$LOGS/$2.log start=$SECONDS status=0
	shift 2
	if declare -F "$1" >/dev/null; then set -- "$0" --step "$@"; fi
	mkdir -p "$LOGS"
	: >"$log"
	note "$name (log: $log)"
	beating "$name" "$log" logged "$log" "$@" || status=$?
	if ((status)); then
		tail -n 15 "$log" | sed 's/^/    | /' >&2
		die "$name: $(reason "$log"); $(elapsed $((SECONDS - start))), log: $log"
	fi
	printf '    %s done in %s\n' "$name" "$(elapsed $((SECONDS - start)))" >&2
}

# A script with stages calls `dispatch_step "$@"` after its functions.
dispatch_step() {
	[[ ${1:-} == --step ]] || return 0
	shift
	"$@"
	exit
}
