#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Creates the tool root: a Debian trixie with every compiler and tool, and the kernel's source package.
# It has two stages, the root and bindgen; each is final once it is there.

# shellcheck source=scripts/lib/paths.sh
source "$(dirname "$0")/../lib/paths.sh"
# shellcheck source=scripts/lib/debian.sh
source "$TOP/scripts/lib/debian.sh"

install_bindgen() {
	local target=$1
	mkdir -p "$target/bin"
	# Debian's bindgen is too old for libclang 22: it makes every big struct opaque.
	run "$TOP/scripts/setup/inroot.sh" cargo install --locked --root "$target" --jobs "$JOBS" \
		bindgen-cli --version "$BINDGEN_VERSION"
}

dispatch_step "$@"

run "$TOP/scripts/setup/host-packages.sh"
lock_cache

root=$(toolroot_path)
if [[ ! -d $root ]]; then
	# Enough for all stages: a full disk should show now and not after ten minutes.
	need_disk 8000 "building everything from nothing"
	place_root "$root" "tool root" toolroot \
		env SOURCE_PACKAGE="$SOURCE_PACKAGE" "$TOP/scripts/setup/mkroot.sh"
fi

bindgen=$(bindgen_path)
if [[ ! -d $bindgen ]]; then
	need_disk 1000 "bindgen"
	dir=$(partial_dir bindgen)
	stage "bindgen $BINDGEN_VERSION" bindgen install_bindgen "$dir/bindgen"
	mv "$dir/bindgen" "$bindgen"
fi
