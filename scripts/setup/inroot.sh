#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# inroot.sh COMMAND...: runs a command in the tool root, as the calling user, in the current directory.
# The root is read-only; the cache and the checkout can be written, KSRC can be read. INROOT is another root.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"

root=${INROOT:-$(toolroot_path)}
[[ -d $root ]] || die "there is no tool root yet; run 'make toolroot'"
bwrap --ro-bind / / true 2>/dev/null ||
	die "bubblewrap cannot create namespaces here; run as root, allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or give the container --privileged"

mkdir -p "$CACHE/home" "$TOP/results"
args=(--die-with-parent --unshare-pid --unshare-ipc --unshare-uts --clearenv)
# Parts of the tool root on an empty root, so that a checkout or a cache can be anywhere.
for dir in "$root"/*; do
	name=${dir##*/}
	if [[ -L $dir ]]; then
		args+=(--symlink "$(readlink "$dir")" "/$name")
	elif [[ $name == usr || $name == etc ]]; then
		args+=(--ro-bind "$dir" "/$name")
	fi
done
args+=(--ro-bind "$root/var/lib/dpkg" /var/lib/dpkg --dev /dev --proc /proc --tmpfs /tmp --tmpfs /var/tmp)

# Names and certificates are the host's: a registry proxy may have an authority of its own.
bundle=/etc/ssl/certs/ca-certificates.crt
[[ ! -e /etc/resolv.conf || ! -e $root/etc/resolv.conf ]] || args+=(--ro-bind "$(realpath /etc/resolv.conf)" /etc/resolv.conf)
[[ ! -e /etc/hosts || ! -e $root/etc/hosts ]] || args+=(--ro-bind /etc/hosts /etc/hosts)
host_bundle=${SSL_CERT_FILE:-$bundle}
[[ ! -e $host_bundle || ! -e $root$bundle ]] || args+=(--ro-bind "$(realpath "$host_bundle")" "$bundle")

args+=(--bind "$CACHE" "$CACHE" --bind "$TOP" "$TOP")
[[ -z ${KSRC:-} ]] || args+=(--ro-bind "$(realpath "$KSRC")" "$(realpath "$KSRC")")

# No colours in logs.
[[ -t 1 ]] || TERM=dumb
path=/usr/sbin:/usr/bin:/sbin:/bin
bindgen=$(bindgen_path)
[[ -n ${INROOT:-} || ! -d $bindgen ]] || path=$bindgen/bin:$path
llvm=("$root"/usr/lib/llvm-*)
args+=(--setenv PATH "$path" --setenv HOME "$CACHE/home" --setenv LC_ALL C.UTF-8 --setenv TERM "${TERM:-dumb}"
	--setenv PYTHONDONTWRITEBYTECODE 1 --setenv LIBCLANG_PATH "${llvm[-1]#"$root"}/lib")
# What the caller sets for network and tools. Nothing else of the environment gets in.
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY "${!CARGO_HTTP_@}" "${!CARGO_NET_@}" \
	CARGO_TARGET_DIR RUSTFLAGS GIT_CEILING_DIRECTORIES; do
	[[ ! -v $name ]] || args+=(--setenv "$name" "${!name}")
done

# The lock belongs to the scripts, not to what they run.
[[ -z ${BPF_PATCHER_LOCK_FD:-} ]] || exec {BPF_PATCHER_LOCK_FD}>&-
exec bwrap "${args[@]}" --chdir "$PWD" -- "$@"
